/**
 * A talk's events, for as long as somebody reads them: bytes -> text -> messages -> events, each
 * step a Web Stream. A stream that breaks or falls silent is taken up again after the last seq.
 */

/** @import {TalkEvent} from './types.js' */
import { decodeEvent } from './core/protocol.js';
import { sseMessages } from './core/sse.js';
import { ApiError, talkPath } from './api.js';

const SILENCE_MS = 40_000; // the server says something every 15 s
const BACKOFF_MS = [300, 700, 1500, 3000, 5000];
const STEADY_MS = 10_000; // a stream that lived this long starts the back-off anew

/** Thrown by a handler to read again from the cursor. */
export class ReadAgain extends Error {}

/**
 * @typedef {object} Follower
 * @property {() => number} cursor the last seq that has been read
 * @property {(event: TalkEvent) => void} event
 * @property {(state: 'connecting' | 'live') => void} state
 */

/**
 * Follows a talk until `signal` aborts; throws ApiError if the server says that it may not.
 *
 * @param {string} talkId
 * @param {Follower} follower
 * @param {AbortSignal} signal
 */
export async function followTalk(talkId, follower, signal) {
  let failures = 0;
  while (!signal.aborted) {
    follower.state('connecting');
    const began = performance.now();
    try {
      await readOnce(talkId, follower, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && !error.retryable) throw error;
    }
    if (signal.aborted) return;
    if (performance.now() - began > STEADY_MS) failures = 0;
    follower.state('connecting');
    await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)], signal);
  }
}

/** @param {string} talkId @param {Follower} follower @param {AbortSignal} signal */
async function readOnce(talkId, follower, signal) {
  const stalled = new AbortController();
  const either = AbortSignal.any([signal, stalled.signal]);
  const after = follower.cursor();
  const watch = watchdog(SILENCE_MS, () => stalled.abort(new ReadAgain('no sign of life')));
  try {
    const response = await fetch(`${talkPath(talkId, 'stream')}?after=${after}`, {
      headers: { Accept: 'text/event-stream', ...(after && { 'Last-Event-ID': String(after) }) },
      cache: 'no-store',
      signal: either,
    });
    if (!response.ok || !response.body) throw await ApiError.of(response);
    await response.body
      .pipeThrough(watch.stream)
      .pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream()))
      .pipeThrough(sseMessages())
      .pipeTo(
        new WritableStream({
          write(message) {
            const event = decodeEvent(message);
            if (!event) return;
            follower.event(event);
            if (event.type === 'ready') follower.state('live');
          },
        }),
        { signal: either },
      );
  } finally {
    watch.end();
  }
}

/**
 * Bytes pass through; if none do for `ms`, `onSilence` is called.
 * @param {number} ms
 * @param {() => void} onSilence
 */
function watchdog(ms, onSilence) {
  let timer = setTimeout(onSilence, ms);
  /** @type {TransformStream<Uint8Array, Uint8Array>} */
  const stream = new TransformStream({
    transform(chunk, controller) {
      clearTimeout(timer);
      timer = setTimeout(onSilence, ms);
      controller.enqueue(chunk);
    },
  });
  return { stream, end: () => clearTimeout(timer) };
}

/**
 * Waits; a network that comes back ends the wait, and so does `signal`.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms * (0.75 + Math.random() / 2));
    signal.addEventListener('abort', done);
    addEventListener('online', done);
  });
}
