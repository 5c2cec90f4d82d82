/**
 * Makes a reply quiet as soon as the microphone hears a voice over it. Whether it ends there is the
 * server's to decide, by the words; until then it goes on, hardly heard, and keeps its place.
 */

import { Ducking } from '../core/ducking.js';
import { decibels } from './level.js';

const STEP_MS = 15;
const SILENCE_DB = -100;

/** @typedef {{replyId: string | null, duck: (ducked: boolean) => void}} Sounding */

/**
 * @param {AnalyserNode} analyser of the microphone
 * @param {() => Sounding | null} player of the open talk
 * @returns {() => void} stops it
 */
export function watchForBargeIn(analyser, player) {
  const ducking = new Ducking();
  let before = false;
  const timer = setInterval(() => {
    // A closed microphone would say for ever how loud its last moment was.
    const db = analyser.context.state === 'running' ? decibels(analyser) : SILENCE_DB;
    const ducked = ducking.step(db, performance.now(), Boolean(player()?.replyId));
    if (ducked !== before) player()?.duck(ducked);
    before = ducked;
  }, STEP_MS);
  return () => {
    clearInterval(timer);
    if (before) player()?.duck(false);
  };
}
