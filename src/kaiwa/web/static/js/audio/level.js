/** How loud a microphone, or a voice that is played, is at this moment. */

const QUIET_DB = -55; // of full scale: a quiet room
const LOUD_DB = -12;

/** Of full scale. @param {AnalyserNode} analyser */
export function decibels(analyser) {
  const wave = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(wave);
  const power = wave.reduce((sum, sample) => sum + sample * sample, 0) / wave.length;
  return 10 * Math.log10(power + 1e-12);
}

/** 0 (a quiet room) … 1 (a voice close by). @param {AnalyserNode} analyser */
export function level(analyser) {
  return Math.max(0, Math.min(1, (decibels(analyser) - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}
