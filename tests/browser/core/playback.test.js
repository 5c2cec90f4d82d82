import { Player, audio } from '/static/js/audio/playback.js';
import { equal, near, test, truthy, until } from './harness.js';

const SETTINGS = { language: 'ja', voice_speed: 1, voice_pitch: 0 };
const RATE = 8000;

/** A quiet WAV. */
function wav(seconds) {
  const size = 2 * RATE * seconds;
  const view = new DataView(new ArrayBuffer(44 + size));
  const text = (at, letters) => [...letters].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + size, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  [1, 1].forEach((n, i) => view.setUint16(20 + 2 * i, n, true));
  [RATE, 2 * RATE].forEach((n, i) => view.setUint32(24 + 4 * i, n, true));
  [2, 16].forEach((n, i) => view.setUint16(32 + 2 * i, n, true));
  text(36, 'data');
  view.setUint32(40, size, true);
  return view.buffer;
}

/** What is to sound, as it stands: from when to when. */
async function scheduled(work) {
  const { start, stop } = AudioBufferSourceNode.prototype;
  const nodes = new Map();
  AudioBufferSourceNode.prototype.start = function (from) {
    nodes.set(this, { from, to: from + this.buffer.duration });
    start.call(this, from);
  };
  AudioBufferSourceNode.prototype.stop = function () {
    nodes.delete(this);
    stop.call(this);
  };
  try {
    await work(() => [...nodes.values()]);
  } finally {
    Object.assign(AudioBufferSourceNode.prototype, { start, stop });
  }
}

const player = () =>
  new Player({
    load: async (clip) => wav(Number(clip)), onPlaying() {}, onHeard() {}, onState() {}, onTrouble() {},
  });
const clause = (index, seconds) => ({
  index, text: 'はい', start: 0, end: 2, clip: String(seconds), durationMs: seconds * 1000,
});

test('player: behind a reply that is stopped the next one comes at once, in its order', () =>
  scheduled(async (sounding) => {
    const played = player();
    played.add('a', clause(0, 30), SETTINGS);
    played.add('b', clause(0, 20), SETTINGS);
    await until(() => sounding().length === 2);
    played.stop('a');
    played.add('b', clause(1, 10), SETTINGS);
    await until(() => sounding().length === 2);
    const [first, second] = sounding();
    equal([first, second].map(({ from, to }) => Math.round(to - from)), [20, 10]);
    truthy(first.from < audio().currentTime + 1, 'at once');
    near(second.from, first.to, 0.001, 'without a gap');
    played.close();
  }));

test('player: what is stopped behind a reply that sounds leaves that one alone', () =>
  scheduled(async (sounding) => {
    const played = player();
    played.add('a', clause(0, 30), SETTINGS);
    played.add('b', clause(0, 20), SETTINGS);
    await until(() => sounding().length === 2);
    await until(() => sounding()[0].from < audio().currentTime);
    played.stop('b');
    played.add('a', clause(1, 10), SETTINGS);
    await until(() => sounding().length === 2);
    const [first, second] = sounding();
    equal([first, second].map(({ from, to }) => Math.round(to - from)), [30, 10]);
    near(second.from, first.to, 0.001, 'behind it');
    played.close();
  }));
