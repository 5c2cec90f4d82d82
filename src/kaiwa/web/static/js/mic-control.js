/** The one big control: what pressing it does, and the capture behind it. */

/** @import {User} from './types.js' */
/** @import {Controller} from './controller.js' */
/** @import {TalkSession} from './talk-session.js' */
import { pressed, released } from './core/control.js';
import { watchForBargeIn } from './audio/barge-in.js';
import { Capture, sendLeftOverSound } from './audio/capture.js';
import { MicrophoneError } from './audio/microphone.js';
import { unlockSound } from './audio/playback.js';
import { preferences } from './prefs.js';

export class MicControl {
  /** @type {Capture | null} */
  #capture = null;
  /** @type {Promise<unknown>} what is to be sent before anything new */
  #before = Promise.resolve();
  /** @type {{did: 'start' | 'unmute' | 'wait', at: number} | null} the control is held down */
  #press = null;
  #ends = 0; // a capture that was ended before there was a talk for it does not begin

  /** @param {Controller} controller */
  constructor(controller) {
    this.controller = controller;
  }

  get microphone() {
    return this.#capture?.microphone ?? null;
  }

  get analyser() {
    return this.microphone?.analyser ?? null;
  }

  /** Of an earlier page. @param {User} user */
  sendLeftOver(user) {
    const { api } = this.controller;
    this.#before = sendLeftOverSound(api, user.id, (code) => this.controller.trouble(code));
  }

  /** The control, or the space bar, goes down. */
  press() {
    if (this.#press) return;
    unlockSound();
    this.controller.session?.recording.stop();
    const { mic, muted } = this.controller.state;
    const did = pressed(mic, muted);
    this.#press = { did, at: performance.now() };
    if (did === 'start') void this.begin();
    if (did === 'unmute') this.mute(false);
  }

  /** And comes up again. */
  release() {
    if (!this.#press) return;
    const { did, at } = this.#press;
    this.#press = null;
    void this.#capture?.microphone?.context.resume(); // on a touch screen, this is the gesture
    const then = released(did, performance.now() - at);
    if (then === 'finish') {
      this.#ends += 1;
      void this.end();
    }
    if (then === 'mute') this.mute(true);
  }

  /** @param {boolean} on */
  mute(on) {
    if (!on) this.controller.session?.recording.stop();
    this.#capture?.microphone?.mute(on);
    this.controller.store.dispatch({ type: 'muted', on });
  }

  /** Ends the capture; resolves when its last words are stored. */
  async end() {
    await this.#capture?.finish();
  }

  /** Another microphone was chosen: the talk goes on with it; a muted one goes to sleep. */
  change() {
    const { mic, muted } = this.controller.state;
    if (mic !== 'listening' && mic !== 'reconnecting') return;
    void this.end();
    if (!muted) void this.begin();
  }

  /** @param {string} capture @param {number} offset */
  durable(capture, offset) {
    if (this.#capture?.id === capture) this.#capture.durable(offset);
  }

  /** In the open talk, or in a new one. */
  async begin() {
    const { store } = this.controller;
    const ends = this.#ends;
    store.dispatch({ type: 'mic', state: 'opening' });
    const session = this.controller.session ?? (await this.controller.createTalk());
    if (session && ends === this.#ends) await this.#capturing(session);
    else store.dispatch({ type: 'mic', state: 'asleep' });
  }

  /** @param {TalkSession} session */
  async #capturing(session) {
    const { api, store } = this.controller;
    const wishes = new URLSearchParams(location.search);
    const source = wishes.get('capture');
    const transport = wishes.get('transport');
    const capture = new Capture({
      talkId: session.id,
      userId: session.state.me,
      api,
      device: preferences().microphone,
      source: source === 'webm' ? 'recorder' : source === 'pcm' ? 'pcm' : null,
      transport: transport === 'fetch' || transport === 'websocket' ? transport : null,
      after: this.#before,
      onState: (state) => {
        if (this.#capture !== capture) return;
        store.dispatch({ type: 'mic', state });
        if (state === 'asleep') this.#capture = null;
      },
      onTrouble: (code, error) => this.controller.trouble(code, error),
    });
    this.#capture = capture;
    try {
      await capture.start();
      if (!capture.microphone) return; // ended while the browser asked
      this.#before = capture.done;
      const { analyser } = capture.microphone;
      const stop = watchForBargeIn(analyser, () => this.controller.session?.player ?? null);
      void capture.done.catch(() => {}).finally(stop);
    } catch (error) {
      capture.cancel();
      if (this.#capture === capture) this.#capture = null;
      store.dispatch({ type: 'mic', state: 'asleep' });
      this.controller.trouble(`mic.${error instanceof MicrophoneError ? error.code : 'failed'}`);
    }
  }
}
