import { controlState, pressed, released } from '/static/js/core/control.js';
import { START, reduceApp } from '/static/js/core/app.js';
import { equal, test } from './harness.js';

const calm = { mic: 'asleep', muted: false, hearing: false, thinking: false, speaking: false };
const shown = (change) => controlState({ ...calm, ...change });

test('control: one state at a time, the reader\'s own voice first', () => {
  equal(shown({}), 'asleep');
  equal(shown({ thinking: true }), 'thinking');
  equal(shown({ thinking: true, speaking: true }), 'speaking');
  equal(shown({ mic: 'listening' }), 'listening');
  equal(shown({ mic: 'listening', speaking: true }), 'speaking');
  equal(shown({ mic: 'listening', speaking: true, hearing: true }), 'hearing');
  equal(shown({ mic: 'listening', muted: true, hearing: true }), 'muted');
  equal(shown({ mic: 'reconnecting', speaking: true }), 'reconnecting');
  equal(shown({ mic: 'finishing', muted: true }), 'finishing');
});

test('control: a tap switches, holding talks', () => {
  equal(pressed('asleep', false), 'start');
  equal(released('start', 120), 'keep');
  equal(released('start', 2000), 'finish');
  equal(pressed('listening', false), 'wait');
  equal(released('wait', 120), 'finish');
});

test('control: muted, holding talks and a tap unmutes', () => {
  equal(pressed('listening', true), 'unmute');
  equal(released('unmute', 100), 'keep');
  equal(released('unmute', 900), 'mute');
});

test('app: a new microphone is not muted', () => {
  const on = { type: 'mic', state: 'listening' };
  const muted = [on, { type: 'muted', on: true }].reduce(reduceApp, START);
  equal(muted.muted, true);
  equal([{ type: 'mic', state: 'reconnecting' }, on].reduce(reduceApp, muted).muted, true);
  equal(reduceApp(muted, { type: 'mic', state: 'asleep' }).muted, false);
});

test('app: the talk in which something was said goes to the top', () => {
  const talks = ['a', 'b', 'c'].map((id) => ({ id }));
  const state = reduceApp(START, { type: 'talks', talks });
  const next = reduceApp(state, { type: 'talk.active', id: 'c' });
  equal(next.talks.map(({ id }) => id), ['c', 'a', 'b']);
  equal(reduceApp(next, { type: 'talk.active', id: 'c' }) === next, true);
  equal(reduceApp(next, { type: 'talk.active', id: 'unknown' }) === next, true);
});
