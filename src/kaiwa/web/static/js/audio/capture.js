/**
 * One press of the microphone button: microphone -> source -> spool -> transport. The spool keeps
 * what the server has not durably stored, so a broken connection is taken up where it was.
 */

/** @import {CaptureAnswer, MicState, Source, Transport} from '../types.js' */
/** @import {Api} from '../api.js' */
import { BYTES_PER_SAMPLE, SAMPLE_RATE } from '../core/protocol.js';
import { mintId } from '../core/ids.js';
import { Spool } from '../core/spool.js';
import { ApiError } from '../api.js';
import { pause } from '../event-stream.js';
import { Microphone } from './microphone.js';
import { openSource } from './sources.js';
import { canStreamRequests, fetchTransport, webSocketTransport } from './transports.js';

const KEPT_BYTES = 10 * 60 * SAMPLE_RATE * BYTES_PER_SAMPLE; // ten minutes of L16: 19 MB
const BACKOFF_MS = [250, 600, 1200, 2500, 5000];
const STEADY_MS = 5000; // an upload that lived this long starts the back-off anew

/**
 * @typedef {object} CaptureOptions
 * @property {string} talkId
 * @property {Api} api
 * @property {'pcm' | 'recorder' | null} source
 * @property {'fetch' | 'websocket' | null} transport
 * @property {Promise<unknown>} after an earlier capture that is still being finished
 * @property {(state: MicState) => void} onState
 * @property {(code: string, error?: unknown) => void} onTrouble
 */

export class Capture {
  id = mintId();
  /** @type {Microphone | null} */
  microphone = null;
  /** @type {Source | null} */
  #source = null;
  #spool = new Spool(KEPT_BYTES);
  #abort = new AbortController();
  #ending = false;
  #fellBack = false;
  /** Where the current capture id began in the spool, in bytes. */
  #base = 0;

  /** @param {CaptureOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Promise<CaptureAnswer | null>} settles when the last word is stored, or given up */
    this.done = Promise.resolve(null);
  }

  /** Opens the microphone; from when this returns, sound is kept. Throws MicrophoneError. */
  async start() {
    this.options.onState('opening');
    const microphone = await Microphone.open();
    this.microphone = microphone;
    if (this.#abort.signal.aborted) return this.#sleep(); // ended while the browser asked
    const source = await openSource(microphone, this.options.source);
    if (this.#abort.signal.aborted) {
      source.stop();
      return this.#sleep();
    }
    this.#source = source;
    document.documentElement.dataset.source = source.kind;
    microphone.track.addEventListener('ended', () => {
      this.options.onTrouble('mic.unplugged');
      this.finish();
    });
    microphone.context.addEventListener('statechange', this.#contextChanged);
    source.bytes.pipeTo(this.#spool.writable()).catch(() => this.#spool.close());
    this.options.onState('listening');
    this.done = this.#upload(source).finally(() => this.#sleep());
    this.done.catch(() => {});
  }

  /** Ends the recording; what was said is still sent and recognised. */
  finish() {
    if (this.#ending) return this.done;
    this.#ending = true;
    if (!this.#source) {
      this.#abort.abort(); // start() ends it when the microphone is open
      return this.done;
    }
    this.options.onState('finishing');
    this.#source.stop();
    this.#source = null;
    // The microphone's light goes out when the last samples have been taken.
    void waitFor(() => this.#spool.closed, 600).then(() => this.#close());
    return this.done;
  }

  /** Everything before `offset` samples of this capture is stored. @param {number} offset */
  durable(offset) {
    this.#spool.release(this.#base + offset * BYTES_PER_SAMPLE);
  }

  /** @param {Source} source */
  async #upload(source) {
    await this.options.after.catch(() => {});
    let failures = 0;
    let at = 0;
    for (;;) {
      const began = performance.now();
      try {
        return await this.#attempt(source, at);
      } catch (error) {
        if (this.#abort.signal.aborted) return null;
        if (!(error instanceof ApiError) || !this.#canGoOn(error)) return this.#giveUp(error);
        if (!source.resumable) return this.#giveUp(error, 'mic.broken');
        if (performance.now() - began > STEADY_MS) failures = 0;
        this.options.onState('reconnecting');
        await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)], this.#abort.signal);
        at = await this.#placeToResume(at);
        if (this.#abort.signal.aborted) return null;
      }
    }
  }

  /** @param {Source} source @param {number} at byte of the spool */
  #attempt(source, at) {
    const { name, send } = this.#transport();
    document.documentElement.dataset.transport = name;
    return send({
      talkId: this.options.talkId,
      capture: this.id,
      offset: source.resumable ? (at - this.#base) / BYTES_PER_SAMPLE : 0,
      contentType: source.contentType,
      body: this.#spool.read(at, { forget: !source.resumable }),
      signal: this.#abort.signal,
    });
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
    for (let failures = 0; !this.#abort.signal.aborted; failures++) {
      try {
        const offset = await this.options.api.durableOffset(this.options.talkId, this.id);
        // The server is there, yet the body never arrived: something between streams no bodies.
        if (offset === null && at === 0 && failures === 0) this.#fellBack = true;
        const wanted = this.#base + (offset ?? 0) * BYTES_PER_SAMPLE;
        this.#spool.release(wanted);
        this.options.onState(this.#ending ? 'finishing' : 'listening');
        if (wanted >= this.#spool.start) return wanted;
        this.options.onTrouble('mic.lost');
        this.id = mintId();
        this.#base = this.#spool.start;
        return this.#base;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) return at;
        await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)], this.#abort.signal);
      }
    }
    return at;
  }

  /** @param {ApiError} error */
  #canGoOn(error) {
    return error.retryable || error.code === 'offset_conflict';
  }

  /** @param {unknown} error @param {string} [code] @returns {null} */
  #giveUp(error, code) {
    const own = error instanceof ApiError ? error.code : 'mic.failed';
    this.options.onTrouble(code ?? own, error);
    return null;
  }

  /** A sleeping phone stops the audio clock: what comes after is another capture. */
  #contextChanged = () => {
    const state = this.microphone?.context.state;
    if (state !== 'running' && state !== 'closed' && !this.#ending) {
      this.options.onTrouble('mic.suspended');
      this.finish();
    }
  };

  #sleep() {
    this.#close();
    this.options.onState('asleep');
  }

  #close() {
    if (!this.microphone) return;
    this.microphone.context.removeEventListener('statechange', this.#contextChanged);
    this.microphone.close();
    this.microphone = null;
  }

  /** Throws away what is not yet sent. */
  cancel() {
    this.#abort.abort();
    this.#source?.stop();
    this.#close();
  }
}

/** @param {() => boolean} holds @param {number} ms at most */
async function waitFor(holds, ms) {
  for (let waited = 0; !holds() && waited < ms; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
