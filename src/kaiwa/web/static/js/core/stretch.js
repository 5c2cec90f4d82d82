/**
 * Speech slower or faster at its own pitch: WSOLA (Verhelst and Roelands, 1993). Windows of the
 * input are laid over each other at the output's pace, each moved by a little to where it goes on
 * most like the one before.
 */

const WINDOW_S = 0.03; // some periods of a low voice
const SEARCH_S = 0.008; // half a period of the lowest
const STEP = 4; // samples skipped in the comparison; the waveform is smooth enough

/**
 * @param {Float32Array} input
 * @param {number} speed 0.5 … 2; 1 is the speed of the input
 * @param {number} rate in Hz
 * @returns {Float32Array<ArrayBuffer>} about `input.length / speed` samples
 */
export function stretched(input, speed, rate) {
  const hop = Math.round((WINDOW_S * rate) / 2);
  const search = Math.round(SEARCH_S * rate);
  const out = new Float32Array(Math.round(input.length / speed) + 2 * hop);
  const fade = Float32Array.from({ length: 2 * hop }, (_, i) => 0.5 - 0.5 * Math.cos((Math.PI * i) / hop));
  let next = 0; // where the window before goes on in the input
  for (let at = 0; at < out.length - 2 * hop; at += hop) {
    const from = at === 0 ? 0 : bestPlace(input, Math.round(at * speed), next, hop, search);
    for (let i = 0; i < 2 * hop; i++) {
      const weight = at === 0 && i < hop ? 1 : fade[i];
      out[at + i] += weight * (input[from + i] ?? 0);
    }
    next = from + hop;
  }
  return out.slice(0, Math.round(input.length / speed));
}

/**
 * The place near `wanted` whose sound is most like that at `model`.
 * @param {Float32Array} input
 * @param {number} wanted
 * @param {number} model
 * @param {number} length
 * @param {number} search
 */
function bestPlace(input, wanted, model, length, search) {
  let best = wanted;
  let most = -Infinity;
  for (let from = Math.max(0, wanted - search); from <= wanted + search; from++) {
    let likeness = 0;
    for (let i = 0; i < length; i += STEP) {
      likeness += (input[from + i] ?? 0) * (input[model + i] ?? 0);
    }
    if (likeness > most) {
      most = likeness;
      best = from;
    }
  }
  return best;
}
