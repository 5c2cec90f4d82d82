/** Sound as numbers: L16 encoding and a resampler that does not alias. No Web Audio in here. */

/** @import {Bytes} from '../types.js' */

/**
 * @param {Float32Array} samples in -1 … 1; beyond is clipped
 * @returns {Bytes} signed 16 bit, little-endian
 */
export function encodeL16(samples) {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i++) {
    const s = Math.max(-1, Math.min(1, samples[i]));
    view.setInt16(i * 2, Math.round(s < 0 ? s * 32768 : s * 32767), true);
  }
  return bytes;
}

/** @param {Bytes[]} blocks @returns {Bytes} one after the other */
export function joined(blocks) {
  const all = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
}

/** @returns {TransformStream<Float32Array, Bytes>} */
export function l16Encoder() {
  return new TransformStream({
    transform(samples, controller) {
      controller.enqueue(encodeL16(samples));
    },
  });
}

/**
 * Sums floats of any length to blocks of one length, so that a message costs little.
 */
export class Blocks {
  #size;
  #block;
  #filled = 0;

  /** @param {number} size samples in a block */
  constructor(size) {
    this.#size = size;
    this.#block = new Float32Array(size);
  }

  /**
   * @param {Float32Array} samples
   * @returns {Float32Array<ArrayBuffer>[]} the blocks that are full with them
   */
  push(samples) {
    /** @type {Float32Array<ArrayBuffer>[]} */
    const full = [];
    let at = 0;
    while (at < samples.length) {
      const n = Math.min(this.#size - this.#filled, samples.length - at);
      this.#block.set(samples.subarray(at, at + n), this.#filled);
      this.#filled += n;
      at += n;
      if (this.#filled === this.#size) full.push(this.flush());
    }
    return full;
  }

  /** What is left over, which may be nothing. */
  flush() {
    const rest = this.#block.slice(0, this.#filled);
    this.#block = new Float32Array(this.#size);
    this.#filled = 0;
    return rest;
  }
}

const ZERO_CROSSINGS = 24; // on each side: about 80 dB with the window below
const KAISER_BETA = 8; // side lobes near -80 dB
const PASS = 0.92; // of the lower Nyquist frequency; the rest is the filter's slope

/**
 * Streaming windowed-sinc resampler (J. O. Smith, "Digital Audio Resampling"): each output sample
 * is the input under a Kaiser-windowed sinc whose cut-off lies below the lower Nyquist frequency.
 */
export class Resampler {
  #step;
  #cutoff;
  #half;
  /** Input not yet fully used; its first sample is number #base. */
  #input = new Float32Array(0);
  #base;
  #next = 0;
  /** @type {Map<number, Float32Array>} one kernel for each fractional position that occurs */
  #kernels = new Map();

  /** @param {number} from input rate in Hz @param {number} to output rate in Hz */
  constructor(from, to) {
    this.from = from;
    this.to = to;
    this.#step = from / to;
    this.#cutoff = PASS * Math.min(1, to / from);
    this.#half = Math.ceil(ZERO_CROSSINGS / Math.min(1, to / from));
    this.#base = -this.#half;
    this.#input = new Float32Array(this.#half); // silence before the beginning
  }

  /** @param {Float32Array} samples @returns {Float32Array} all output that this input allows */
  process(samples) {
    const input = new Float32Array(this.#input.length + samples.length);
    input.set(this.#input);
    input.set(samples, this.#input.length);
    const end = this.#base + input.length;
    /** @type {number[]} */
    const out = [];
    for (;;) {
      // An exact fraction, so that hours of sound do not drift.
      const whole = Math.floor((this.#next * this.from) / this.to);
      if (whole + this.#half >= end) break;
      const phase = (this.#next * this.from) % this.to;
      const kernel = this.#kernel(phase);
      const first = whole - this.#half + 1 - this.#base;
      let sum = 0;
      for (let i = 0; i < kernel.length; i++) sum += kernel[i] * input[first + i];
      out.push(sum);
      this.#next++;
    }
    const keepFrom = Math.max(0, Math.floor(this.#next * this.#step) - this.#half - this.#base);
    this.#input = input.slice(keepFrom);
    this.#base += keepFrom;
    return Float32Array.from(out);
  }

  /** @returns {Float32Array} the output that was still waiting for input */
  flush() {
    return this.process(new Float32Array(this.#half));
  }

  /** @param {number} phase the fraction of an input sample, in units of 1 / to */
  #kernel(phase) {
    const known = this.#kernels.get(phase);
    if (known) return known;
    const fraction = phase / this.to;
    const kernel = new Float32Array(this.#half * 2);
    let sum = 0;
    for (let i = 0; i < kernel.length; i++) {
      const x = i - this.#half + 1 - fraction;
      kernel[i] = this.#cutoff * sinc(this.#cutoff * x) * kaiser(x / this.#half);
      sum += kernel[i];
    }
    for (let i = 0; i < kernel.length; i++) kernel[i] /= sum;
    this.#kernels.set(phase, kernel);
    return kernel;
  }
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} x -1 … 1 over the window */
function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/** Modified Bessel function of the first kind, order 0. @param {number} x */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
