import { ApiError } from '/static/js/api.js';
import { watchForBargeIn } from '/static/js/audio/barge-in.js';
import { Capture } from '/static/js/audio/capture.js';
import { KeptSound, sendLeftOvers } from '/static/js/audio/kept-sound.js';
import { Microphone } from '/static/js/audio/microphone.js';
import { START, reduceApp } from '/static/js/core/app.js';
import { Spool } from '/static/js/core/spool.js';
import { Controller } from '/static/js/controller.js';
import { MicControl } from '/static/js/mic-control.js';
import { Store } from '/static/js/store.js';
import { equal, test, truthy, until } from './harness.js';

/** A microphone in which somebody hums. */
async function humming() {
  const context = new AudioContext({ sampleRate: 16000 });
  const hum = context.createOscillator();
  const room = context.createMediaStreamDestination();
  hum.connect(room);
  hum.start();
  await context.resume();
  return new Microphone(room.stream, context, context.createMediaStreamSource(room.stream));
}

/** While `open` gives the microphone. */
async function hearing(open, work) {
  const real = Microphone.open;
  Microphone.open = open;
  try {
    await work();
  } finally {
    Microphone.open = real;
  }
}

/** A capture whose uploads find no server: there is none behind these tests. */
function capturing({ onState = () => {}, durableOffset = async () => 0, userId = 'u' }) {
  return new Capture({
    talkId: 't', userId, api: { durableOffset }, device: '', source: 'pcm', transport: 'websocket',
    after: Promise.resolve(), onState, onTrouble() {},
  });
}

/** A control and what its page is asked for. */
function control({ session = null, createTalk = async () => session, durableOffset = async () => 0 } = {}) {
  const store = new Store(reduceApp, START);
  const mic = new MicControl({
    store,
    get state() {
      return store.state;
    },
    session,
    createTalk,
    api: { durableOffset },
    trouble() {},
  });
  return { mic, state: () => store.state.mic, tap: () => (mic.press(), mic.release()) };
}
const SESSION = { id: 't', state: { me: 'u' }, recording: { stop() {} }, player: null };

test('capture: one that was ended is not reconnecting, it is being finished', () =>
  hearing(humming, async () => {
    const states = [];
    let asked = 0;
    const capture = capturing({ onState: (state) => states.push(state), durableOffset: async () => (asked++, 0) });
    await capture.start();
    await until(() => states.includes('reconnecting'));
    capture.finish();
    const [ended, before] = [states.length, asked];
    await until(() => asked > before + 1);
    truthy(states.slice(ended).every((state) => state === 'finishing'), states.join());
    capture.cancel();
  }));

test('capture: what could not be sent for want of a sign-in is sent after it, by the same page', () =>
  hearing(humming, async () => {
    const refused = async () => Promise.reject(new ApiError(401, 'not_signed_in', '', false));
    const capture = capturing({ durableOffset: refused, userId: 'refused' });
    await capture.start();
    const { id } = capture;
    equal(await capture.done, null);
    const sent = [];
    await sendLeftOvers('refused', async (kept, sound) => (sent.push(kept.capture), sound.length > 0));
    equal(sent, [id]);
  }));

test('capture: no more is kept on disk than in the spool', async () => {
  const start = Object.getOwnPropertyDescriptor(Spool.prototype, 'start');
  const LIMIT = 8_000; // bytes, a quarter of a second
  Object.defineProperty(Spool.prototype, 'start', { ...start, get() { return this.end - LIMIT; } });
  await hearing(humming, async () => {
    let spool;
    const capture = capturing({ userId: 'long' });
    const { writable } = Spool.prototype;
    Spool.prototype.writable = function (...args) {
      spool = this;
      return writable.apply(this, args);
    };
    await capture.start();
    const { id } = capture;
    await until(() => spool.end > 8 * LIMIT);
    Object.assign(Spool.prototype, { writable });
    capture.cancel();
    const db = await new Promise((resolve) => {
      const request = indexedDB.open('kaiwa', 1);
      request.onsuccess = () => resolve(request.result);
    });
    const blocks = await new Promise((resolve) => {
      const range = IDBKeyRange.bound([id, 0], [id, Infinity]);
      const request = db.transaction('blocks').objectStore('blocks').getAll(range);
      request.onsuccess = () => resolve(request.result);
    });
    db.close();
    const kept = blocks.reduce((sum, { length }) => sum + length, 0);
    truthy(kept > 0 && kept < 4 * LIMIT, `${kept} bytes`);
  });
  Object.defineProperty(Spool.prototype, 'start', start);
});

test('control: a microphone that never came does not let the next one overtake the last', () =>
  hearing(humming, async () => {
    const asked = [];
    const { mic, state } = control({ session: SESSION, durableOffset: async (_, id) => (asked.push(id), 0) });
    await mic.begin();
    await until(() => asked.length);
    void mic.end();
    let open;
    Microphone.open = () => new Promise((resolve) => (open = () => resolve(humming())));
    const begun = mic.begin();
    void mic.end();
    open();
    await begun;
    Microphone.open = humming;
    await mic.begin();
    equal(state(), 'listening');
    const { length } = asked;
    await until(() => asked.length > length + 1);
    equal([...new Set(asked)].length, 1);
    void mic.end();
  }));

test('control: the microphone does not open behind whoever let go before there was a talk', () =>
  hearing(humming, async () => {
    let opened = 0;
    Microphone.open = async () => (opened++, humming());
    let made;
    let making = 0;
    const createTalk = () => (making++, new Promise((resolve) => (made = () => resolve(SESSION))));
    const { state, tap } = control({ createTalk });
    tap();
    equal(state(), 'opening');
    tap();
    made();
    await until(() => state() === 'asleep');
    equal([making, opened], [1, 0]);
  }));

test('barge-in: a microphone that is closed in mid-word does not keep the reply quiet', async () => {
  const microphone = await humming();
  let quiet = false;
  const stop = watchForBargeIn(microphone.analyser, () => ({ replyId: 'r', duck: (on) => (quiet = on) }));
  await until(() => quiet);
  microphone.close();
  await until(() => !quiet);
  stop();
});

test('control: two clicks make one talk', async () => {
  const controller = new Controller();
  let making = 0;
  controller.api.createTalk = async () => Promise.reject(new ApiError(0, 'unreachable', String(making++), true));
  await Promise.all([controller.createTalk(), controller.createTalk()]);
  equal(making, 1);
});

test('controller: a list of talks that was asked for before a change does not undo it', async () => {
  const controller = new Controller();
  const answers = [];
  controller.api.talks = () => new Promise((resolve) => answers.push(resolve));
  const [old, fresh] = ['old', 'new'].map((id) => ({ id, title: id }));
  controller.store.dispatch({ type: 'talks', talks: [old] });
  const loaded = controller.loadTalks();
  controller.store.dispatch({ type: 'talk', talk: fresh });
  answers.shift()({ talks: [old] });
  await until(() => answers.length);
  answers.shift()({ talks: [fresh, old] });
  await loaded;
  equal(controller.state.talks.map(({ id }) => id), ['new', 'old']);
});

test('kept sound: what the disk did not take is silence, and the rest stays in its place', async () => {
  const record = { key: 'holed', user: 'holed', talk: 't', capture: 'holed', base: 0 };
  for (const at of [2, 8]) {
    const kept = new KeptSound(record);
    kept.push(at, Uint8Array.of(at, at));
    kept.leave();
  }
  const sent = [];
  await sendLeftOvers('holed', async (_, sound, start) => (sent.push([start, ...sound]), true));
  equal(sent, [[2, 2, 2, 0, 0, 0, 0, 8, 8]]);
});

test('kept sound: what the disk does not give now is left for another time', async () => {
  const kept = new KeptSound({ key: 'later', user: 'later', talk: 't', capture: 'later', base: 0 });
  kept.push(0, Uint8Array.of(1, 2));
  kept.leave();
  const { getAll } = IDBObjectStore.prototype;
  const sent = [];
  const send = () => sendLeftOvers('later', async (_, sound) => (sent.push([...sound]), true));
  IDBObjectStore.prototype.getAll = function (...args) {
    if (this.name === 'blocks') throw new DOMException('', 'UnknownError');
    return getAll.apply(this, args);
  };
  await send();
  IDBObjectStore.prototype.getAll = getAll;
  await send();
  equal(sent, [[1, 2]]);
});
