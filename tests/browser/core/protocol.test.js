import { DURABLE, EPHEMERAL, decodeEvent, isDurable } from '/static/js/core/protocol.js';
import { equal, test, truthy } from './harness.js';

const message = (event, data, id = '') => ({ event, data: JSON.stringify(data), id });

test('protocol: a durable event takes its seq from the data, else from the id', () => {
  equal(decodeEvent(message('talk.deleted', { at: 'x', by: 'u', seq: 3 })).seq, 3);
  equal(decodeEvent(message('talk.deleted', { at: 'x', by: 'u' }, '4')).seq, 4);
});

test('protocol: a durable event without a seq is not used', () => {
  equal(decodeEvent(message('talk.deleted', { at: 'x', by: 'u' })), null);
});

test('protocol: an ephemeral event needs no seq', () => {
  const event = decodeEvent(message('reply.delta', { reply_id: 'r', offset: 0, text: 'は' }));
  equal([event.type, event.text], ['reply.delta', 'は']);
});

test('protocol: unknown types and broken data are passed over', () => {
  equal(decodeEvent(message('of.the.future', { seq: 1 })), null);
  equal(decodeEvent({ event: 'reply.delta', data: '{"half', id: '' }), null);
  equal(decodeEvent({ event: 'reply.delta', data: 'null', id: '' }), null);
});

test('protocol: every type is either durable or ephemeral', () => {
  equal(DURABLE.filter((type) => EPHEMERAL.includes(type)), []);
  truthy(
    DURABLE.every((type) => isDurable({ type })),
    'isDurable knows the durable ones',
  );
});
