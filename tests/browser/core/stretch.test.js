import { stretched } from '/static/js/core/stretch.js';
import { equal, near, test } from './harness.js';

const RATE = 24000;
const tone = Float32Array.from({ length: RATE }, (_, i) => Math.sin((2 * Math.PI * 220 * i) / RATE));
const crossings = (x) => x.reduce((n, v, i) => n + (i > 0 && x[i - 1] < 0 && v >= 0 ? 1 : 0), 0);

for (const speed of [0.7, 1.25, 1.6]) {
  test(`stretch: at speed ${speed} a tone keeps its pitch and its strength`, () => {
    const out = stretched(tone, speed, RATE);
    equal(out.length, Math.round(RATE / speed));
    near(crossings(out) / (out.length / RATE), 220, 6, 'Hz');
    const middle = out.subarray(2000, out.length - 2000);
    near(Math.hypot(...middle.subarray(0, 8000)) / Math.sqrt(8000), Math.SQRT1_2, 0.08, 'rms');
  });
}

test('stretch: nothing comes of nothing', () => {
  equal(stretched(new Float32Array(0), 1.5, RATE).length, 0);
});
