/**
 * A recording on its way to the server: spool -> transport. What the server has not durably stored
 * stays in the spool, so a broken connection is taken up where it was.
 */

/** @import {CaptureAnswer, Transport} from '../types.js' */
/** @import {Api} from '../api.js' */
import { BYTES_PER_SAMPLE } from '../core/protocol.js';
import { mintId } from '../core/ids.js';
import { Spool } from '../core/spool.js';
import { ApiError } from '../api.js';
import { pause } from '../pause.js';
import { canStreamRequests, fetchTransport, webSocketTransport } from './transports.js';

const BACKOFF_MS = [250, 600, 1200, 2500, 5000];
const STEADY_MS = 5000; // an upload that lived this long starts the back-off anew
const STALLED_MS = 40_000; // a segment lasts 28 s at most; then something of it is stored
const LOOK_MS = 5000; // how often that is asked
const DOUBT_MS = 4000; // a server that is there answers by then

/**
 * @typedef {object} UploadOptions
 * @property {Api} api
 * @property {string} talkId
 * @property {Spool} spool
 * @property {string} contentType
 * @property {boolean} resumable
 * @property {'fetch' | 'websocket' | null} transport
 * @property {(connected: boolean) => void} onConnection
 * @property {(capture: string, base: number) => void} onRenamed
 * @property {(code: string, error?: unknown) => void} onTrouble
 */

export class Upload {
  #abort = new AbortController();
  #fellBack = false;

  /**
   * @param {UploadOptions} options
   * @param {string} id of the capture
   * @param {number} base where it began in the spool, in bytes
   */
  constructor(options, id, base = 0) {
    this.options = options;
    this.id = id;
    this.base = base;
  }

  /** Everything before `offset` samples of this capture is stored. @param {number} offset */
  durable(offset) {
    this.options.spool.release(this.base + offset * BYTES_PER_SAMPLE);
  }

  abort() {
    this.#abort.abort();
  }

  /**
   * Until the last word is stored. Null: aborted. Throws ApiError for what no further attempt
   * would mend.
   * @param {number} [from] byte of the spool to begin at; left out: where the server has got to
   * @returns {Promise<CaptureAnswer | null>}
   */
  async run(from) {
    const { signal } = this.#abort;
    let failures = 0;
    let at = from ?? (await this.#placeToResume(this.base));
    while (!signal.aborted) {
      const began = performance.now();
      try {
        return await this.#attempt(at);
      } catch (error) {
        if (signal.aborted) break;
        const mends =
          error instanceof ApiError && (error.retryable || error.code === 'offset_conflict');
        if (!mends || !this.options.resumable) throw error;
        if (performance.now() - began > STEADY_MS) failures = 0;
        this.options.onConnection(false);
        await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)], signal);
        at = await this.#placeToResume(at);
      }
    }
    return null;
  }

  /** @param {number} at byte of the spool */
  async #attempt(at) {
    const { talkId, spool, contentType, resumable } = this.options;
    const { name, send } = this.#transport();
    document.documentElement.dataset.transport = name;
    const over = new AbortController();
    const stalled = new AbortController();
    if (resumable) void this.#watch(stalled, over.signal);
    try {
      return await send({
        talkId,
        capture: this.id,
        offset: resumable ? (at - this.base) / BYTES_PER_SAMPLE : 0,
        contentType,
        body: spool.read(at, { forget: !resumable }),
        signal: AbortSignal.any([this.#abort.signal, stalled.signal]),
      });
    } finally {
      over.abort();
    }
  }

  /**
   * A network may stall without closing: that is told soon, and an attempt of which nothing becomes
   * durable is given up.
   * @param {AbortController} stalled @param {AbortSignal} over
   */
  async #watch(stalled, over) {
    const { api, talkId, onConnection } = this.options;
    /** @type {number | null | undefined} */
    let before;
    let since = performance.now();
    while (true) {
      await pause(LOOK_MS, over);
      if (over.aborted) return;
      const doubt = setTimeout(() => !over.aborted && onConnection(false), DOUBT_MS);
      const now = await api.durableOffset(talkId, this.id).catch(() => undefined);
      clearTimeout(doubt);
      if (over.aborted) return;
      if (now !== undefined) onConnection(true);
      if (now === undefined || now === before) {
        if (performance.now() - since > STALLED_MS) return stalled.abort();
      } else {
        before = now;
        since = performance.now();
      }
    }
  }

  /** @returns {{name: string, send: Transport}} */
  #transport() {
    const wish = this.options.transport ?? (canStreamRequests() ? 'fetch' : 'websocket');
    return wish === 'fetch' && !this.#fellBack
      ? { name: 'fetch', send: fetchTransport }
      : { name: 'websocket', send: webSocketTransport };
  }

  /**
   * Where the server wants this capture to go on; waits until it answers. If what it wants is no
   * longer kept, the rest becomes a capture of its own.
   * @param {number} at
   */
  async #placeToResume(at) {
    const { api, talkId, spool } = this.options;
    const { signal } = this.#abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const offset = await api.durableOffset(talkId, this.id);
        // The server is there, yet the body never arrived: something between streams no bodies.
        if (offset === null && at === 0 && failures === 0) this.#fellBack = true;
        const wanted = this.base + (offset ?? 0) * BYTES_PER_SAMPLE;
        spool.release(wanted);
        this.options.onConnection(true);
        if (wanted >= spool.start) return wanted;
        this.options.onTrouble('mic.lost');
        this.id = mintId();
        this.base = spool.start;
        this.options.onRenamed(this.id, this.base);
        return this.base;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) throw error;
        await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)], signal);
      }
    }
    return at;
  }
}
