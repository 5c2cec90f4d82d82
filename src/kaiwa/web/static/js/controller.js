/** What the page as a whole does: signing in, the list of talks, the microphone, trouble. */

/** @import {AppAction, AppState, TalkSettings, User} from './types.js' */
/** @import {MessageKey} from './i18n.js' */
import { START, reduceApp } from './core/app.js';
import { parseRoute, routeHash } from './core/route.js';
import { Api, ApiError } from './api.js';
import { watchForBargeIn } from './audio/barge-in.js';
import { Capture } from './audio/capture.js';
import { MicrophoneError } from './audio/microphone.js';
import { unlockSound } from './audio/playback.js';
import { hasMessage, locale, t } from './i18n.js';
import { Store } from './store.js';
import { TalkSession } from './talk-session.js';

const RETRY_MS = 3000;

export class Controller {
  api = new Api();
  /** @type {Store<AppState, AppAction>} */
  store = new Store(reduceApp, START);
  /** @type {TalkSession | null} */
  session = null;
  /** @type {Capture | null} */
  capture = null;
  /** Called when another talk is open than before. */
  onSession = () => {};

  /** @type {Promise<unknown>} */
  #captured = Promise.resolve();
  #opening = 0;

  get state() {
    return this.store.state;
  }

  async start() {
    this.api.onSignedOut = () => this.#signedOut();
    addEventListener('hashchange', () => this.#followRoute());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.state.phase === 'signed-in') void this.loadTalks();
    });
    const { code, talk } = parseRoute(location.hash);
    if (code !== null || location.hash.includes('code=')) {
      // The code must stay neither in the bar nor in the history.
      history.replaceState(null, '', location.pathname + location.search + routeHash(talk));
    }
    await this.#recogniseUser(code);
  }

  /**
   * @param {string | null} code
   * @param {boolean} [refused] a code that was used or is too old
   */
  async #recogniseUser(code, refused = false) {
    try {
      const user = code ? (await this.api.code(code)).user : await this.api.me();
      await this.#signedIn(user);
    } catch (error) {
      const no = error instanceof ApiError && error.status === 401;
      if (error instanceof ApiError && error.status === 0) {
        this.store.dispatch({ type: 'unreachable' });
        setTimeout(() => this.#recogniseUser(code, refused), RETRY_MS);
      } else if (code) {
        await this.#recogniseUser(null, no); // perhaps there is a cookie
      } else {
        this.#signedOut();
        if (!no) this.trouble('signin.failed', error);
        else if (refused) this.trouble('signin.code');
      }
    }
  }

  /** @param {'login' | 'register'} how @param {string} name @param {string} password */
  async signIn(how, name, password) {
    const { user } = await this.api[how](name, password);
    await this.#signedIn(user);
  }

  async signOut() {
    this.#endAll();
    await this.api.logout().catch(() => {});
    this.#signedOut();
  }

  /** @param {User} user */
  async #signedIn(user) {
    this.store.dispatch({ type: 'signed-in', user });
    this.#followRoute();
    void this.api.voices().then(
      ({ voices }) => this.store.dispatch({ type: 'voices', voices }),
      () => {},
    );
    await this.loadTalks();
  }

  #signedOut() {
    this.#endAll();
    this.store.dispatch({ type: 'signed-out' });
  }

  async loadTalks() {
    try {
      const { talks } = await this.api.talks();
      this.store.dispatch({ type: 'talks', talks });
    } catch (error) {
      this.trouble('talks.failed', error);
    }
  }

  /** @param {Partial<TalkSettings>} settings */
  async createTalk(settings = {}) {
    try {
      const talk = await this.api.createTalk({ language: locale(), ...settings });
      this.store.dispatch({ type: 'talk', talk });
      location.hash = routeHash(talk.id);
      await this.#open(talk.id);
      return this.session;
    } catch (error) {
      this.trouble('create.failed', error);
      return null;
    }
  }

  /** @param {string} id @param {Partial<TalkSettings>} settings */
  async changeTalk(id, settings) {
    try {
      const talk = await this.api.changeTalk(id, settings);
      this.store.dispatch({ type: 'talk', talk });
      if (this.session?.id === id) this.session.saved(talk);
      return true;
    } catch (error) {
      this.trouble('settings.failed', error);
      return false;
    }
  }

  /** @param {string} id */
  async deleteTalk(id) {
    try {
      await this.api.deleteTalk(id);
      this.#gone(id);
    } catch (error) {
      this.trouble('delete.failed', error);
    }
  }

  /** The microphone's button. */
  async toggleMicrophone() {
    unlockSound();
    const { mic } = this.state;
    if (mic === 'opening' || mic === 'listening' || mic === 'reconnecting') {
      await this.endCapture();
      return;
    }
    const session = this.session ?? (await this.createTalk());
    if (session) await this.#beginCapture(session);
  }

  async ask() {
    unlockSound();
    await this.session?.ask();
  }

  /** Ends the microphone; resolves when its last words are stored. */
  async endCapture() {
    await this.capture?.finish();
  }

  /** @param {TalkSession} session */
  async #beginCapture(session) {
    const wishes = new URLSearchParams(location.search);
    const source = wishes.get('capture');
    const transport = wishes.get('transport');
    const capture = new Capture({
      talkId: session.id,
      api: this.api,
      source: source === 'webm' ? 'recorder' : source === 'pcm' ? 'pcm' : null,
      transport: transport === 'fetch' || transport === 'websocket' ? transport : null,
      after: this.#captured,
      onState: (state) => {
        if (this.capture !== capture) return;
        this.store.dispatch({ type: 'mic', state });
        if (state === 'asleep') this.capture = null;
      },
      onTrouble: (code, error) => this.trouble(code, error),
    });
    this.capture = capture;
    try {
      await capture.start();
      this.#captured = capture.done;
      if (capture.microphone) {
        const { analyser } = capture.microphone;
        const stop = watchForBargeIn(analyser, () => this.session?.player ?? null);
        void capture.done.catch(() => {}).finally(stop);
      }
    } catch (error) {
      capture.cancel();
      if (this.capture === capture) this.capture = null;
      this.store.dispatch({ type: 'mic', state: 'asleep' });
      this.trouble(`mic.${error instanceof MicrophoneError ? error.code : 'failed'}`);
    }
  }

  #followRoute() {
    if (this.state.phase !== 'signed-in') return;
    const { talk } = parseRoute(location.hash);
    if (talk) void this.#open(talk);
    else this.#closeTalk();
  }

  /** @param {string} id */
  async #open(id) {
    if (this.session?.id === id) return;
    const { user } = this.state;
    if (!user) return;
    this.#closeTalk();
    const turn = ++this.#opening;
    this.store.dispatch({ type: 'open', id });
    try {
      const talk = this.state.talks?.find((t) => t.id === id) ?? (await this.api.talk(id));
      if (turn !== this.#opening) return;
      this.session = new TalkSession({
        api: this.api,
        talk,
        user,
        voices: () => this.state.voices,
        onStream: (state) => this.store.dispatch({ type: 'stream', state }),
        onSound: (state) => this.store.dispatch({ type: 'sound', state }),
        onDurable: (capture, offset) => {
          if (this.capture?.id === capture) this.capture.durable(offset);
        },
        onSettings: (settings) => {
          const known = this.state.talks?.find((t) => t.id === id);
          if (known) this.store.dispatch({ type: 'talk', talk: { ...known, ...settings } });
        },
        onDeleted: () => {
          this.trouble('talk.deleted');
          this.#gone(id);
        },
        onTrouble: (code, error) => this.trouble(code, error),
        endCapture: () => this.endCapture(),
      });
      this.onSession();
      void this.session.follow();
    } catch (error) {
      if (turn !== this.#opening) return;
      this.trouble('open.failed', error);
      location.hash = routeHash(null);
    }
  }

  #closeTalk() {
    this.#opening++;
    void this.endCapture();
    this.session?.close();
    this.session = null;
    this.store.dispatch({ type: 'open', id: null });
    this.store.dispatch({ type: 'stream', state: 'idle' });
    this.store.dispatch({ type: 'sound', state: 'idle' });
    this.onSession();
  }

  /** @param {string} id */
  #gone(id) {
    const open = this.state.openId === id;
    if (open) location.hash = routeHash(null);
    this.store.dispatch({ type: 'talk.gone', id });
    if (open) this.#closeTalk();
  }

  #endAll() {
    if (this.session) this.#closeTalk();
  }

  /**
   * Says what went wrong, in the reader's language where the code is known.
   * @param {string} code
   * @param {unknown} [error]
   */
  trouble(code, error) {
    const own = error instanceof ApiError ? error : null;
    if (own?.status === 401 && this.state.phase === 'signed-out') return;
    const what = messageFor(code);
    const why = own && (messageFor(own.code) ?? own.message);
    const text = [what, why].filter(Boolean).join(' ') || t('error.unknown');
    const level = code === 'mic.suspended' || code === 'talk.deleted' ? 'info' : 'error';
    this.store.dispatch({ type: 'notice', level, text, code });
  }
}

/** @param {string} code */
function messageFor(code) {
  const key = `error.${code}`;
  return hasMessage(key) ? t(/** @type {MessageKey} */ (key)) : null;
}
