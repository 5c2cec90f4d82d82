/** What the one big control shows, and what a press of it means. Pure. */

/** @import {ControlState, MicState} from '../types.js' */

const HOLD_MS = 450; // a press this long was push-to-talk, a shorter one a switch

/**
 * @param {object} now
 * @param {MicState} now.mic
 * @param {boolean} now.muted
 * @param {boolean} now.hearing the reader's own speech is being heard
 * @param {boolean} now.thinking a reply is on its way, without sound yet
 * @param {boolean} now.speaking a reply sounds
 * @returns {ControlState}
 */
export function controlState({ mic, muted, hearing, thinking, speaking }) {
  if (mic !== 'asleep' && mic !== 'listening') return mic;
  const on = mic === 'listening';
  if (on && muted) return 'muted';
  if (on && hearing) return 'hearing';
  if (speaking) return 'speaking';
  if (thinking) return 'thinking';
  return mic;
}

/**
 * What going down does: the microphone opens at once, so that no word is lost to a slow finger.
 * @param {MicState} mic
 * @param {boolean} muted
 * @returns {'start' | 'unmute' | 'wait'}
 */
export function pressed(mic, muted) {
  if (mic === 'asleep' || mic === 'finishing') return 'start';
  return muted ? 'unmute' : 'wait';
}

/**
 * What letting go does, after what going down did.
 * @param {'start' | 'unmute' | 'wait'} did
 * @param {number} ms how long it was held
 * @returns {'finish' | 'mute' | 'keep'}
 */
export function released(did, ms) {
  if (did === 'wait') return 'finish';
  if (ms < HOLD_MS) return 'keep';
  return did === 'start' ? 'finish' : 'mute';
}
