/** What the page as a whole does: signing in, the list of talks, the microphone, trouble. */

/** @import {AppAction, AppState, Talk, TalkSettings, User} from './types.js' */
import { START, reduceApp } from './core/app.js';
import { goingReply } from './core/state.js';
import { parseRoute, routeHash } from './core/route.js';
import { Api, ApiError } from './api.js';
import { unlockSound } from './audio/playback.js';
import { EventStream } from './event-stream.js';
import { locale, t, titleOf } from './i18n.js';
import { Store } from './store.js';
import { Tabs } from './tabs.js';
import { noticeOf } from './trouble.js';
import { Leaving } from './leaving.js';
import { MicControl } from './mic-control.js';
import { TalkSession } from './talk-session.js';

const RETRY_MS = 3000;
const LIST_MS = 30_000; // how old the list of talks may get before one's eyes

export class Controller {
  api = new Api();
  /** @type {Store<AppState, AppAction>} */
  store = new Store(reduceApp, START);
  /** @type {TalkSession | null} */
  session = null;
  mic = new MicControl(this);
  /** Called when another talk is open than before. */
  onSession = () => {};
  /** Called with the seq that the URL points to, if it does. @type {(seq: number | null) => void} */
  onPlace = () => {};

  #opening = 0;
  /** @type {Promise<TalkSession | null> | null} a talk that is being made */
  #making = null;
  /** @type {{tabs: Tabs, stream: EventStream} | null} while somebody is signed in */
  #shared = null;
  #leaving = new Leaving(this.api, (error) => {
    this.trouble('delete.failed', error);
    void this.loadTalks();
  });
  /** The code of an invite that brought the reader here. @type {string | null} */
  #invite = null;

  get state() {
    return this.store.state;
  }

  async start() {
    this.api.onSignedOut = () => this.#signedOut();
    addEventListener('hashchange', () => this.#hashChanged());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.state.phase === 'signed-in') void this.loadTalks();
    });
    setInterval(() => {
      if (!document.hidden && this.state.phase === 'signed-in') void this.loadTalks(true);
    }, LIST_MS);
    const { code, talk, seq, invite } = parseRoute(location.hash);
    this.#invite = invite;
    if (/(code|invite)=/.test(location.hash)) {
      // A code must stay neither in the bar nor in the history.
      history.replaceState(null, '', location.pathname + location.search + routeHash(talk, seq ?? undefined));
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
      if (error instanceof ApiError && error.retryable) {
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
    if (this.session) this.#closeTalk();
    /** @type {unknown} */
    let failed = null;
    await this.api.logout().catch((error) => (failed = error));
    this.#shared?.tabs.tell({ type: 'signed-out' });
    if (failed) this.trouble('signout.failed', failed); // the cookie is good still
  }

  /** @param {User} user */
  async #signedIn(user) {
    const tabs = new Tabs(user.id);
    tabs.listen(({ type }) => type === 'signed-out' && this.#signedOut());
    this.#shared = { tabs, stream: new EventStream(tabs, this.api) };
    this.store.dispatch({ type: 'signed-in', user });
    this.mic.sendLeftOver(user);
    this.#followRoute();
    void this.api.voices().then(
      ({ voices }) => this.store.dispatch({ type: 'voices', voices }),
      () => {},
    );
    await this.#acceptInvite();
    await this.loadTalks();
  }

  async #acceptInvite() {
    if (!this.#invite) return;
    const code = this.#invite;
    this.#invite = null;
    try {
      const talk = await this.api.acceptInvite(code);
      location.hash = routeHash(talk.id);
    } catch (error) {
      this.trouble('invite.refused', error);
    }
  }

  #signedOut() {
    if (this.session) this.#closeTalk();
    this.#shared?.stream.close();
    this.#shared?.tabs.close();
    this.#shared = null;
    this.store.dispatch({ type: 'signed-out' });
  }

  /** @param {boolean} [quietly] a list that could not be renewed is no news @returns {Promise<void>} */
  async loadTalks(quietly = false) {
    const before = this.state.talks;
    try {
      const { talks } = await this.api.talks();
      if (this.state.talks !== before) return await this.loadTalks(quietly); // this one may be older
      const staying = talks.filter(({ id }) => !this.#leaving.has(id));
      this.store.dispatch({ type: 'talks', talks: staying });
    } catch (error) {
      if (!quietly) this.trouble('talks.failed', error);
    }
  }

  /** A second click makes no second talk. @param {Partial<TalkSettings>} [settings] */
  createTalk(settings = {}) {
    this.#making ??= this.#create(settings).finally(() => (this.#making = null));
    return this.#making;
  }

  /** @param {Partial<TalkSettings>} settings */
  async #create(settings) {
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

  /** @param {Talk} talk @param {boolean} archived */
  async archive(talk, archived) {
    this.store.dispatch({ type: 'talk', talk: { ...talk, archived } });
    try {
      await this.api.archive(talk.id, archived);
    } catch (error) {
      this.store.dispatch({ type: 'talk', talk });
      this.trouble('archive.failed', error);
    }
  }

  /** Takes a talk out of sight, and deletes it when nobody has taken that back. @param {Talk} talk */
  deleteTalk(talk) {
    const undo = this.#leaving.begin(talk.id);
    this.#gone(talk.id);
    this.store.dispatch({
      type: 'notice',
      level: 'info',
      text: t('delete.done', { title: titleOf(talk) }),
      code: 'talk.deleting',
      undo: () => {
        undo();
        void this.loadTalks();
        location.hash = routeHash(talk.id);
      },
    });
  }

  /** Whether the reader may speak where they are. */
  get maySpeak() {
    return this.state.phase === 'signed-in' && this.session?.state.role !== 'listener';
  }

  /** Whether a reply is being made or heard. */
  get busy() {
    const talk = this.session?.state;
    return !!talk && (talk.asking || talk.playing !== null || goingReply(talk) !== null);
  }

  async toggleHandsFree() {
    const { session } = this;
    if (!session) return;
    const mode = session.state.settings.mode === 'hands-free' ? 'button' : 'hands-free';
    await this.changeTalk(session.id, { mode });
  }

  /** @param {string} id */
  async leaveTalk(id) {
    try {
      await this.api.removeMember(id, this.state.user?.id ?? '');
      this.#gone(id);
    } catch (error) {
      this.trouble('leave.failed', error);
    }
  }

  /** @param {string} text */
  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      const said = t('copy.done');
      this.store.dispatch({ type: 'notice', level: 'info', text: said, code: 'copied' });
    } catch {
      this.trouble('copy.failed');
    }
  }

  async ask() {
    unlockSound();
    await this.session?.ask();
  }

  #hashChanged() {
    if (/(code|invite)=/.test(location.hash)) location.reload(); // a link into an open page
    else this.#followRoute();
  }

  #followRoute() {
    if (this.state.phase !== 'signed-in') return;
    const { talk, seq } = parseRoute(location.hash);
    if (talk) void this.#open(talk).then(() => this.onPlace(seq));
    else this.#closeTalk();
  }

  /** @param {string} id */
  async #open(id) {
    if (this.session?.id === id) return;
    const { user } = this.state;
    const shared = this.#shared;
    if (!user || !shared) return;
    this.#closeTalk();
    const turn = ++this.#opening;
    this.store.dispatch({ type: 'open', id });
    try {
      const talk = this.state.talks?.find((t) => t.id === id) ?? (await this.api.talk(id));
      if (turn !== this.#opening) return;
      this.session = new TalkSession({
        ...shared,
        api: this.api,
        talk,
        user,
        onActive: () => this.#active(id),
        voices: () => this.state.voices,
        onStream: (state) => this.store.dispatch({ type: 'stream', state }),
        onSound: (state) => this.store.dispatch({ type: 'sound', state }),
        onDurable: (capture, offset) => this.mic.durable(capture, offset),
        onSettings: (settings) => {
          const known = this.state.talks?.find((t) => t.id === id);
          if (known) this.store.dispatch({ type: 'talk', talk: { ...known, ...settings } });
        },
        onDeleted: () => {
          this.trouble('talk.deleted');
          this.#gone(id);
        },
        onTrouble: (code, error) => this.trouble(code, error),
        endCapture: () => this.mic.end(),
        microphone: () => this.mic.microphone,
      });
      this.onSession();
      void this.session.follow();
    } catch (error) {
      if (turn !== this.#opening) return;
      this.trouble('open.failed', error);
      location.hash = routeHash(null);
    }
  }

  /** Something was said there: it comes first now, perhaps with a name. @param {string} id */
  #active(id) {
    const talk = this.state.talks?.find((t) => t.id === id);
    this.store.dispatch({ type: 'talk.active', id });
    if (talk && !talk.title && !talk.first_words) void this.loadTalks(true);
  }

  #closeTalk() {
    this.#opening++;
    void this.mic.end();
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

  /**
   * Says what went wrong, in the reader's language where the code is known.
   * @param {string} code
   * @param {unknown} [error]
   */
  trouble(code, error) {
    const own = error instanceof ApiError ? error : null;
    if (own?.status === 401 && this.state.phase === 'signed-out') return;
    this.store.dispatch({ type: 'notice', ...noticeOf(code, own), code });
  }
}
