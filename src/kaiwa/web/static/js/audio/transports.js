/**
 * Ways to send a stream of bytes while it is still growing. Both take the same request and give
 * the server's answer, or throw ApiError.
 */

/** @import {Bytes, CaptureAnswer, Transport} from '../types.js' */
import { ApiError, talkPath } from '../api.js';

const BUFFERED = 128 * 1024; // bytes in the socket: four seconds of L16
const DRAIN_MS = 40;
const ANSWER_MS = 60_000; // the last words are recognised after the end
const CONNECT_MS = 10_000;

/** @type {Transport} */
export async function fetchTransport({ talkId, capture, offset, contentType, body, signal }) {
  const query = new URLSearchParams({ capture, offset: String(offset) });
  /** @type {RequestInit & {duplex: 'half'}} */
  const init = {
    method: 'POST',
    headers: { 'Content-Type': contentType, Accept: 'application/json' },
    body,
    duplex: 'half',
    signal,
  };
  const fail = (/** @type {unknown} */ error) => Promise.reject(lost(error));
  const response = await fetch(`${talkPath(talkId, 'stream')}?${query}`, init).catch(fail);
  if (!response.ok) throw await ApiError.of(response);
  return response.json().catch(fail);
}

/** @type {Transport} */
export async function webSocketTransport({ talkId, capture, offset, contentType, body, signal }) {
  const url = new URL(talkPath(talkId, 'stream'), location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = String(new URLSearchParams({ type: contentType, capture, offset: String(offset) }));
  const socket = new WebSocket(url);
  const broken = new AbortController();
  const stop = AbortSignal.any([signal, broken.signal]);
  const answer = answerOf(socket);
  answer.catch((error) => broken.abort(error));
  try {
    await opened(socket, stop);
    const sent = body.pipeTo(socketSink(socket, stop), { signal: stop });
    sent.catch(() => {});
    await Promise.race([sent, answer]); // an early answer is an error, and throws
    return await withTimeout(answer, ANSWER_MS, stop);
  } catch (error) {
    throw error instanceof ApiError ? error : lost(broken.signal.reason ?? error);
  } finally {
    broken.abort();
    socket.close();
  }
}

/** @param {WebSocket} socket @param {AbortSignal} stop @returns {WritableStream<Bytes>} */
function socketSink(socket, stop) {
  return new WritableStream({
    async write(chunk) {
      while (socket.bufferedAmount > BUFFERED && !stop.aborted) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
      }
      socket.send(chunk);
    },
    close() {
      socket.send(JSON.stringify({ type: 'end' }));
    },
  });
}

/** @param {WebSocket} socket @returns {Promise<CaptureAnswer>} */
function answerOf(socket) {
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const message = parse(data);
      if (message?.type === 'result') resolve(message);
      if (message?.type !== 'error') return;
      const { code, message: text, retryable } = message.error ?? {};
      reject(new ApiError(500, code ?? 'internal', text ?? '', retryable ?? false));
    };
    socket.onclose = () => reject(lost(null));
  });
}

/** @param {unknown} data @returns {any} */
function parse(data) {
  try {
    return typeof data === 'string' ? JSON.parse(data) : null;
  } catch {
    return null;
  }
}

/** @param {WebSocket} socket @param {AbortSignal} stop */
function opened(socket, stop) {
  /** @type {Promise<void>} */
  const open = new Promise((resolve) => {
    socket.onopen = () => resolve();
  });
  return withTimeout(open, CONNECT_MS, stop);
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @param {AbortSignal} stop
 * @returns {Promise<T>}
 */
function withTimeout(promise, ms, stop) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(stop.reason ?? lost(null));
    const timer = setTimeout(() => reject(lost(null)), ms);
    if (stop.aborted) fail();
    stop.addEventListener('abort', fail, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      stop.removeEventListener('abort', fail);
    });
  });
}

/** @param {unknown} cause */
function lost(cause) {
  return cause instanceof ApiError
    ? cause
    : new ApiError(0, 'unreachable', 'The connection broke.', true);
}

/**
 * Whether `fetch` really streams a request body here. A browser that does not know how sends the
 * text "[object ReadableStream]" instead, with a text content type; and over HTTP/1.1 it is never
 * allowed.
 */
export function canStreamRequests() {
  if (location.protocol !== 'https:') return false;
  let asked = false;
  try {
    /** @type {RequestInit & {duplex: string}} */
    const init = {
      method: 'POST',
      body: new ReadableStream(),
      get duplex() {
        asked = true;
        return 'half';
      },
    };
    const typed = new Request(location.href, init).headers.has('Content-Type');
    if (!asked || typed) return false;
  } catch {
    return false;
  }
  const [page] = performance.getEntriesByType('navigation');
  const protocol = page instanceof PerformanceNavigationTiming ? page.nextHopProtocol : '';
  return protocol === '' || protocol === 'h2' || protocol === 'h3';
}
