/** Runs on the audio thread: the microphone's samples, at 16 kHz, in blocks of 50 ms. */

import { Blocks, Resampler } from '../core/pcm.js';

const RATE = 16000;
const BLOCK = 800; // 50 ms: short enough to be quick, long enough to cost little

class PcmProcessor extends AudioWorkletProcessor {
  #blocks = new Blocks(BLOCK);
  #resampler = sampleRate === RATE ? null : new Resampler(sampleRate, RATE);
  #ended = false;

  constructor() {
    super();
    this.port.onmessage = () => {
      if (this.#resampler) this.#send(this.#resampler.flush());
      this.#post(this.#blocks.flush());
      this.port.postMessage(null);
      this.#ended = true;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    if (this.#ended) return false;
    const samples = inputs[0][0];
    if (samples) this.#send(this.#resampler ? this.#resampler.process(samples) : samples);
    return true;
  }

  /** @param {Float32Array} samples */
  #send(samples) {
    for (const block of this.#blocks.push(samples)) this.#post(block);
  }

  /** @param {Float32Array<ArrayBuffer>} block */
  #post(block) {
    if (block.length) this.port.postMessage(block, [block.buffer]);
  }
}

registerProcessor('kaiwa-pcm', PcmProcessor);
