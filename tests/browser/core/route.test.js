import { parseRoute, routeHash } from '/static/js/core/route.js';
import { equal, test } from './harness.js';

test('route: a talk, a code, both, neither', () => {
  equal(parseRoute('#/talks/abc234'), { code: null, invite: null, talk: 'abc234', seq: null });
  equal(parseRoute('#code=A%2FB'), { code: 'A/B', invite: null, talk: null, seq: null });
  equal(parseRoute('#code=x&/talks/abc'), { code: 'x', invite: null, talk: 'abc', seq: null });
  equal(parseRoute('#/'), { code: null, invite: null, talk: null, seq: null });
  equal(parseRoute(''), { code: null, invite: null, talk: null, seq: null });
});

test('route: an invite', () => {
  equal(parseRoute('#invite=a-B_9').invite, 'a-B_9');
});

test('route: what is no talk id is no talk', () => {
  equal(parseRoute('#/talks/../../etc').talk, null);
  equal(parseRoute('#code=%E3%81').code, null);
});

test('route: there and back', () => {
  equal(parseRoute(routeHash('abc')).talk, 'abc');
  equal(parseRoute(routeHash(null)).talk, null);
  equal(parseRoute(routeHash('abc', 12)), { code: null, invite: null, talk: 'abc', seq: 12 });
});
