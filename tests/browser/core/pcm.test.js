import { Blocks, Resampler, encodeL16, l16Encoder } from '/static/js/core/pcm.js';
import { all, equal, near, streamOf, test, truthy } from './harness.js';

const RATE = 16000;
const sine = (hz, rate, seconds) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
const db = (samples) =>
  10 * Math.log10(samples.reduce((sum, s) => sum + s * s, 0) / samples.length + 1e-20);

function resampled(samples, from, block = 128) {
  const resampler = new Resampler(from, RATE);
  const out = [];
  for (let i = 0; i < samples.length; i += block) {
    out.push(...resampler.process(samples.subarray(i, i + block)));
  }
  out.push(...resampler.flush());
  return Float32Array.from(out);
}

test('L16: little-endian, full scale, clipped, rounded', () => {
  const bytes = encodeL16(Float32Array.of(0, 1, -1, 2, -2, 0.5, 1 / 32767));
  const view = new DataView(bytes.buffer);
  const values = Array.from({ length: 7 }, (_, i) => view.getInt16(i * 2, true));
  equal(values, [0, 32767, -32768, 32767, -32768, 16384, 1]);
  equal([bytes[2], bytes[3]], [0xff, 0x7f]);
});

test('L16: not a number is silence, not noise', () => {
  equal([...encodeL16(Float32Array.of(NaN))], [0, 0]);
});

test('L16: as a TransformStream', async () => {
  const out = await all(streamOf([Float32Array.of(0), Float32Array.of(1)]).pipeThrough(l16Encoder()));
  equal(out.map((b) => [...b]), [[0, 0], [0xff, 0x7f]]);
});

test('blocks: samples come out in order, in blocks of one size, and the rest at the end', () => {
  const blocks = new Blocks(800);
  const input = Float32Array.from({ length: 2000 }, (_, i) => i);
  const out = [];
  for (let i = 0; i < 2000; i += 128) {
    for (const block of blocks.push(input.subarray(i, i + 128))) {
      equal(block.length, 800);
      out.push(...block);
    }
  }
  equal(out.length, 1600);
  out.push(...blocks.flush());
  equal(out, [...input]);
});

for (const from of [48000, 44100, 32000, 96000, 8000]) {
  test(`resampler: a 1 kHz tone from ${from} Hz keeps level, pitch and place`, () => {
    const out = resampled(sine(1000, from, 1), from);
    near(out.length, RATE, 2, 'length');
    const middle = out.slice(2000, 14000);
    near(db(middle), -3.01, 0.05, 'level in dB');
    const wanted = sine(1000, RATE, 1).slice(2000, 14000);
    const error = middle.map((s, i) => s - wanted[i]);
    truthy(db(error) < -60, `error at ${db(error).toFixed(1)} dB`);
  });
}

for (const hz of [9000, 12000, 15000, 20000]) {
  test(`resampler: ${hz} Hz does not alias into speech`, () => {
    const out = resampled(sine(hz, 48000, 1), 48000).slice(2000, 14000);
    truthy(db(out) < -65, `left at ${db(out).toFixed(1)} dB`);
  });
}

test('resampler: the size of the pieces does not change the sound', () => {
  const input = sine(440, 44100, 0.5);
  equal([...resampled(input, 44100, 128)], [...resampled(input, 44100, 1000)]);
});
