/** The ring around the microphone's button: it moves with the voice. */

import { level } from '../audio/level.js';
import { h } from '../dom.js';

const BARS = 56;
const SIZE = 116; // CSS pixels; the button inside has 76
const SHARP = 3; // pixels of the canvas in one of CSS: it may be drawn larger
const INNER = 44;
const REACH = 9; // the rays end before the words above and the field below

export class MeterView {
  element = h('canvas', { class: 'meter', width: SIZE * SHARP, height: SIZE * SHARP, 'aria-hidden': 'true' });
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #level = 0;
  #bars = new Float32Array(BARS);
  #calm = matchMedia('(prefers-reduced-motion: reduce)');

  /** @param {AnalyserNode | null} analyser null: asleep */
  listen(analyser) {
    if (analyser === this.#analyser) return;
    const running = this.#analyser !== null;
    this.#analyser = analyser;
    if (analyser && !running) requestAnimationFrame(this.#draw);
  }

  #skipped = false;
  #draw = () => {
    const canvas = this.element.getContext('2d');
    if (!canvas) return;
    this.#skipped = !this.#skipped && this.#analyser !== null;
    if (this.#skipped) {
      requestAnimationFrame(this.#draw); // every other frame is smooth, and leaves cores to the models
      return;
    }
    canvas.clearRect(0, 0, SIZE * SHARP, SIZE * SHARP);
    if (!this.#analyser || !this.element.isConnected) {
      this.#analyser = null;
      this.#level = 0;
      this.#bars.fill(0);
      delete document.documentElement.dataset.level;
      return;
    }
    this.#measure(this.#analyser);
    canvas.save();
    canvas.scale(SHARP, SHARP);
    canvas.translate(SIZE / 2, SIZE / 2);
    canvas.strokeStyle = getComputedStyle(this.element).color;
    if (this.#calm.matches) this.#drawCalm(canvas);
    else this.#drawBars(canvas);
    canvas.restore();
    requestAnimationFrame(this.#draw);
  };

  /** @param {AnalyserNode} analyser */
  #measure(analyser) {
    this.#level = Math.max(level(analyser), this.#level * 0.88); // quick to rise, slow to fall
    document.documentElement.dataset.level = this.#level.toFixed(2);
    const spectrum = new Uint8Array(analyser.frequencyBinCount);
    analyser.getByteFrequencyData(spectrum);
    const half = BARS / 2;
    // Speech lives in the lower half of the spectrum; mirrored, the ring has no seam.
    for (let i = 0; i < BARS; i++) {
      const mirrored = i < half ? i : BARS - 1 - i;
      const bin = 2 + Math.floor(((mirrored / half) ** 1.3) * analyser.frequencyBinCount * 0.5);
      const value = (spectrum[bin] / 255) * this.#level;
      this.#bars[i] = Math.max(value, this.#bars[i] * 0.86);
    }
  }

  /** @param {CanvasRenderingContext2D} canvas */
  #drawBars(canvas) {
    canvas.lineCap = 'round';
    canvas.lineWidth = 2.5;
    for (let i = 0; i < BARS; i++) {
      const angle = (i / BARS) * 2 * Math.PI + Math.PI / 2;
      const length = 1.5 + this.#bars[i] * REACH;
      const [x, y] = [Math.cos(angle), Math.sin(angle)];
      canvas.globalAlpha = 0.35 + 0.65 * this.#bars[i];
      canvas.beginPath();
      canvas.moveTo(x * INNER, y * INNER);
      canvas.lineTo(x * (INNER + length), y * (INNER + length));
      canvas.stroke();
    }
  }

  /** A plain arc that fills with the level. @param {CanvasRenderingContext2D} canvas */
  #drawCalm(canvas) {
    canvas.lineWidth = 4;
    canvas.globalAlpha = 0.9;
    canvas.beginPath();
    const half = Math.PI * this.#level;
    canvas.arc(0, 0, INNER, -Math.PI / 2 - half, -Math.PI / 2 + half);
    canvas.stroke();
  }
}
