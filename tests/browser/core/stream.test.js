import { Api, ApiError } from '/static/js/api.js';
import { EventStream } from '/static/js/event-stream.js';
import { Tabs } from '/static/js/tabs.js';
import { equal, test, truthy } from './harness.js';

/** The tabs of a browser without locks: one. */
function oneTab() {
  const listeners = new Set();
  return {
    shown: true,
    listen: (listener) => void listeners.add(listener),
    tell: (message) => listeners.forEach((listener) => listener(message)),
    held: async () => null,
    hold: (name, signal, { onHeld }) =>
      new Promise((over) => (signal.addEventListener('abort', over), onHeld())),
  };
}

/** A server whose streams are `ready` at once, but for a talk that is `gone` in the first: which talks each was asked for, in order. */
async function served(work) {
  const asked = [];
  const real = window.fetch;
  window.fetch = async (url, { signal }) => {
    const after = new URL(url, location.href).searchParams.get('after').split(',');
    const talks = after.map((part) => part.split(':')[0]);
    asked.push(talks.join());
    const ready = talks.map((talk) => {
      const event = talk === 'gone' && asked.length === 1 ? 'error' : 'ready';
      return `event: ${event}\ndata: {"seq": 0, "talk": "${talk}"}\n\n`;
    });
    let beat;
    return new Response(new ReadableStream({
      start(body) {
        const say = (text) => body.enqueue(new TextEncoder().encode(text));
        say(ready.join(''));
        beat = setInterval(say, 1000, ': still here\n\n');
        signal.addEventListener('abort', () => {
          clearInterval(beat);
          body.error(signal.reason);
        });
      },
      cancel: () => clearInterval(beat),
    }));
  };
  try {
    await work(asked);
  } finally {
    window.fetch = real;
  }
}

/** Follows a talk until `leave`; `until` so many states were told. */
function follower(stream, talk) {
  const leaving = new AbortController();
  const states = [];
  let wake = () => {};
  const state = (state) => (states.push(state), wake());
  const over = stream.follow(talk, { cursor: () => 0, read() {}, event() {}, state }, leaving.signal);
  const until = async (count) => {
    while (states.length < count) await new Promise((resolve) => (wake = resolve));
    return states;
  };
  return { leave: () => leaving.abort(), over, until };
}

test('stream: another one is a break for whoever read the last: what passed between them is unknown', () =>
  served(async (asked) => {
    const stream = new EventStream(oneTab(), { events: async () => ({ events: [], seq: 0 }) });
    const first = follower(stream, 'a');
    await first.until(2);
    const second = follower(stream, 'b');
    await second.until(2);
    equal(await first.until(4), ['connecting', 'live', 'connecting', 'live']);
    second.leave();
    await first.until(6);
    equal(asked, ['a', 'a,b', 'a'], 'a talk that nobody reads is not asked for');
    stream.close();
  }));

test('stream: a talk that one may read no more is left, and the others go on', () =>
  served(async () => {
    const talk = async (id) => Promise.reject(new ApiError(404, 'not_found', id, false));
    const stream = new EventStream(oneTab(), { events: async () => ({ events: [], seq: 0 }), talk });
    const [gone, other] = ['gone', 'a'].map((talk) => follower(stream, talk));
    const error = await gone.over.catch((reason) => reason);
    equal([error.status, error.message], [404, 'gone']);
    equal((await other.until(2)).slice(0, 2), ['connecting', 'live']);
    other.leave();
    stream.close();
  }));

test('stream: a talk that broke off alone is asked for again', () =>
  served(async (asked) => {
    const api = { events: async () => ({ events: [], seq: 0 }), talk: async () => ({}) };
    const stream = new EventStream(oneTab(), api);
    equal((await follower(stream, 'gone').until(3)).at(-1), 'live');
    equal(asked, ['gone', 'gone']);
    stream.close();
  }));

test('tabs: one that is closed is silent', () => {
  const tabs = new Tabs('closed');
  tabs.close();
  tabs.tell({ type: 'changed' });
});

test('api: an answer that breaks off is a server that does not answer', async () => {
  const real = window.fetch;
  window.fetch = async () =>
    new Response(new ReadableStream({ start: (body) => body.error(new TypeError('network error')) }));
  const error = await new Api().talks().catch((reason) => reason);
  window.fetch = real;
  truthy(error instanceof ApiError && error.retryable, String(error));
});
