/**
 * One press of the microphone button: microphone -> source -> spool -> upload. L16 is kept on disk
 * too, so that neither a broken connection nor a closed page loses a word.
 */

/** @import {CaptureAnswer, MicState, Source} from '../types.js' */
/** @import {Api} from '../api.js' */
/** @import {Kept} from './kept-sound.js' */
import { mintId } from '../core/ids.js';
import { BYTES_PER_SAMPLE, L16, SAMPLE_RATE } from '../core/protocol.js';
import { Spool } from '../core/spool.js';
import { ApiError } from '../api.js';
import { KeptSound, sendLeftOvers } from './kept-sound.js';
import { Microphone } from './microphone.js';
import { openSource } from './sources.js';
import { Upload } from './upload.js';

const KEPT_BYTES = 15 * 60 * SAMPLE_RATE * BYTES_PER_SAMPLE; // a quarter of an hour of L16: 29 MB

/**
 * @typedef {object} CaptureOptions
 * @property {string} talkId
 * @property {string} userId
 * @property {Api} api
 * @property {string} device the microphone's id; empty: the browser's choice
 * @property {'pcm' | 'recorder' | null} source
 * @property {'fetch' | 'websocket' | null} transport
 * @property {Promise<unknown>} after an earlier capture that is still being finished
 * @property {(state: MicState) => void} onState
 * @property {(code: string, error?: unknown) => void} onTrouble
 */

export class Capture {
  /** @type {Microphone | null} */
  microphone = null;
  /** @type {Source | null} */
  #source = null;
  #spool = new Spool(KEPT_BYTES);
  /** @type {Upload | null} */
  #upload = null;
  /** @type {KeptSound | null} */
  #kept = null;
  #cancelled = false;
  #ending = false;

  /** @param {CaptureOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Promise<CaptureAnswer | null>} settles when the last word is stored, or given up */
    this.done = Promise.resolve(null);
  }

  /** Empty before the microphone is open. */
  get id() {
    return this.#upload?.id ?? '';
  }

  /** Opens the microphone; from when this returns, sound is kept. Throws MicrophoneError. */
  async start() {
    this.options.onState('opening');
    const microphone = await Microphone.open(this.options.device);
    this.microphone = microphone;
    if (this.#cancelled) return this.#sleep(); // ended while the browser asked
    const source = await openSource(microphone, this.options.source);
    if (this.#cancelled) {
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
    this.#upload = this.#uploadOf(source);
    const { talkId, userId } = this.options;
    const { id } = this.#upload;
    if (source.resumable) {
      this.#kept = new KeptSound({ key: id, user: userId, talk: talkId, capture: id, base: 0 });
    }
    const sink = this.#spool.writable((at, block) => {
      this.#kept?.push(at, block);
      this.#kept?.release(this.#spool.start);
    });
    source.bytes.pipeTo(sink).catch(() => this.#spool.close());
    this.options.onState('listening');
    this.done = this.#send(this.#upload).finally(() => this.#sleep());
    this.done.catch(() => {});
  }

  /** Ends the recording; what was said is still sent and recognised. */
  finish() {
    if (this.#ending) return this.done;
    this.#ending = true;
    if (!this.#source) {
      this.#cancelled = true; // start() ends it when the microphone is open
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
    this.#upload?.durable(offset);
    this.#kept?.release(this.#spool.start);
  }

  /** Throws away what is not yet sent. */
  cancel() {
    this.#cancelled = true;
    this.#upload?.abort();
    this.#source?.stop();
    this.#close();
  }

  /** @param {Source} source */
  #uploadOf(source) {
    const { api, talkId, transport, onTrouble } = this.options;
    return new Upload(
      {
        api,
        talkId,
        transport,
        spool: this.#spool,
        contentType: source.contentType,
        resumable: source.resumable,
        onConnection: (connected) =>
          this.options.onState(
            this.#ending ? 'finishing' : connected ? 'listening' : 'reconnecting',
          ),
        onRenamed: (capture, base) => this.#kept?.rename(capture, base),
        onTrouble,
      },
      mintId(),
    );
  }

  /** @param {Upload} upload @returns {Promise<CaptureAnswer | null>} */
  async #send(upload) {
    await this.options.after.catch(() => {});
    try {
      const answer = await upload.run(0);
      if (answer) await this.#kept?.forget();
      return answer;
    } catch (error) {
      const own = error instanceof ApiError;
      if (own && !mayBeSentLater(error)) await this.#kept?.forget();
      else this.#kept?.leave();
      const broken = own && error.retryable;
      this.options.onTrouble(broken ? 'mic.broken' : own ? error.code : 'mic.failed', error);
      return null;
    }
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
}

/**
 * Sends what earlier pages of this person recorded and could not send.
 *
 * @param {Api} api
 * @param {string} userId
 * @param {(code: string) => void} onSent
 */
export function sendLeftOverSound(api, userId, onSent) {
  return sendLeftOvers(userId, async (kept, sound, start) => {
    const spool = new Spool(Infinity, start);
    spool.push(sound);
    spool.close();
    try {
      await api.talk(kept.talk); // a WebSocket would not say that it is gone
      const answer = await uploadOfKept(api, kept, spool).run();
      if (answer?.utterances.length) onSent('mic.recovered');
      return answer !== null;
    } catch (error) {
      return error instanceof ApiError && !mayBeSentLater(error);
    }
  });
}

/** @param {Api} api @param {Kept} kept @param {Spool} spool */
function uploadOfKept(api, kept, spool) {
  return new Upload(
    {
      api,
      talkId: kept.talk,
      transport: null,
      spool,
      contentType: L16,
      resumable: true,
      onConnection: () => {},
      onRenamed: () => {},
      onTrouble: () => {},
    },
    kept.capture,
    kept.base,
  );
}

/** Whether the same person may succeed another time. @param {ApiError} error */
function mayBeSentLater(error) {
  return error.retryable || error.status === 401 || error.code === 'not_signed_in';
}

/** @param {() => boolean} holds @param {number} ms at most */
async function waitFor(holds, ms) {
  for (let waited = 0; !holds() && waited < ms; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
