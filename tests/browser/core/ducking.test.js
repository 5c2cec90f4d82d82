import { Ducking } from '/static/js/core/ducking.js';
import { equal, test } from './harness.js';

const QUIET = -65;
const VOICE = -25;
const STEP = 15;

/** Feeds levels for so many ms; returns when it was first ducked, in ms, or null. */
function feed(ducking, db, ms, { from = 0, sounding = true } = {}) {
  let first = null;
  for (let at = 0; at < ms; at += STEP) {
    if (ducking.step(db, from + at, sounding)) first ??= at;
  }
  return first;
}

test('a voice over a reply makes it quiet at once', () => {
  const ducking = new Ducking();
  equal(feed(ducking, QUIET, 2000), null);
  const first = feed(ducking, VOICE, 500, { from: 2000 });
  equal(first !== null && first <= 75, true);
});

test('a click does not', () => {
  const ducking = new Ducking();
  feed(ducking, QUIET, 2000);
  equal(feed(ducking, VOICE, 45, { from: 2000 }), null);
  equal(feed(ducking, QUIET, 500, { from: 2045 }), null);
});

test('it comes back when nobody goes on', () => {
  const ducking = new Ducking();
  feed(ducking, VOICE, 300);
  equal(ducking.ducked, true);
  feed(ducking, QUIET, 1000, { from: 300 });
  equal(ducking.ducked, false);
});

test('a voice while nothing sounds changes nothing, and neither does the end of a reply', () => {
  const ducking = new Ducking();
  equal(feed(ducking, VOICE, 500, { sounding: false }), null);
  feed(ducking, VOICE, 300, { from: 600 });
  equal(ducking.step(VOICE, 1000, false), false);
});

test('the rest of the agent’s own voice is the room', () => {
  const ducking = new Ducking();
  feed(ducking, -46, 3000);
  equal(feed(ducking, -38, 500, { from: 3000 }), null);
  equal(feed(ducking, -20, 500, { from: 3500 }) !== null, true);
});
