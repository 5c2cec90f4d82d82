import { parseRoute, routeHash } from '/static/js/core/route.js';
import { equal, test } from './harness.js';

test('route: a talk, a code, both, neither', () => {
  equal(parseRoute('#/talks/abc234'), { code: null, talk: 'abc234' });
  equal(parseRoute('#code=A%2FB'), { code: 'A/B', talk: null });
  equal(parseRoute('#code=x&/talks/abc'), { code: 'x', talk: 'abc' });
  equal(parseRoute('#/'), { code: null, talk: null });
  equal(parseRoute(''), { code: null, talk: null });
});

test('route: what is no talk id is no talk', () => {
  equal(parseRoute('#/talks/../../etc').talk, null);
  equal(parseRoute('#code=%E3%81').code, null);
});

test('route: there and back', () => {
  equal(parseRoute(routeHash('abc')).talk, 'abc');
  equal(parseRoute(routeHash(null)).talk, null);
});
