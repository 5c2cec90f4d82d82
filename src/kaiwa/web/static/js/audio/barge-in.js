/**
 * Makes a reply quiet as soon as the microphone hears a voice over it. Whether it ends there is the
 * server's to decide, by the words; until then it goes on, hardly heard, and keeps its place.
 */

import { Ducking } from '../core/ducking.js';

const STEP_MS = 15;

/** @typedef {{replyId: string | null, duck: (ducked: boolean) => void}} Sounding */

/**
 * @param {AnalyserNode} analyser of the microphone
 * @param {() => Sounding | null} player of the open talk
 * @returns {() => void} stops it
 */
export function watchForBargeIn(analyser, player) {
  const ducking = new Ducking();
  const wave = new Float32Array(analyser.fftSize);
  let before = false;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(wave);
    const power = wave.reduce((sum, sample) => sum + sample * sample, 0) / wave.length;
    const db = 10 * Math.log10(power + 1e-12);
    const ducked = ducking.step(db, performance.now(), Boolean(player()?.replyId));
    if (ducked !== before) player()?.duck(ducked);
    before = ducked;
  }, STEP_MS);
  return () => {
    clearInterval(timer);
    if (before) player()?.duck(false);
  };
}
