/** One open talk: its events, its state, its sound, and what its reader does in it. */

/** @import {Command, DurableEvent, Reply, SoundState, StreamState, Talk, TalkEvent, TalkSettings, TalkState, User,
 *   Utterance, Voice} from './types.js' */
/** @import {Api} from './api.js' */
/** @import {Microphone} from './audio/microphone.js' */
/** @import {EventStream} from './event-stream.js' */
/** @import {Tabs} from './tabs.js' */
import { mintId } from './core/ids.js';
import { fit, goingReply, mineUnfinished, openTalk, reduce, replyById } from './core/state.js';
import { playsHere, speakerOf } from './core/voice.js';
import { ApiError } from './api.js';
import { HeardReporter } from './audio/heard.js';
import { Player } from './audio/playback.js';
import { Recording } from './audio/recording.js';
import { ReadAgain, eventsFrom } from './event-stream.js';
import { Store } from './store.js';

const TAIL = 300; // entries or so: more than a screen or two
const WORDS_MS = 2500; // how long a question may still be recognised before the microphone is ended
const ANSWER_MS = 10_000; // how long the last words of an ended capture are waited for
const STALE_MS = 60_000; // words missed for so long are read; to hear them now would startle

/**
 * @typedef {object} SessionOptions
 * @property {Api} api
 * @property {EventStream} stream
 * @property {Tabs} tabs
 * @property {Talk} talk
 * @property {User} user
 * @property {() => Voice[]} voices the server's
 * @property {(state: StreamState) => void} onStream
 * @property {(state: SoundState) => void} onSound
 * @property {(capture: string, offset: number) => void} onDurable
 * @property {() => void} onActive something new was said
 * @property {(settings: TalkSettings) => void} onSettings
 * @property {(by: string) => void} onDeleted
 * @property {(code: string, error?: unknown) => void} onTrouble
 * @property {() => Microphone | null} microphone that is open
 * @property {() => Promise<unknown>} endCapture ends the microphone, resolves with its last word
 */

export class TalkSession {
  #abort = new AbortController();
  #brokenAt = -1;
  /** The reply that was asked for and has not begun. @type {string | null} */
  #asked = null;
  #unwanted = false; // it was stopped before the server had answered
  /** How often this tab holds the lock of the talk's sound: twice while it takes it from itself. */
  #holds = 0;
  #playingElsewhere = false;
  #behind = false; // what comes may have been said long ago

  /** @param {SessionOptions} options */
  constructor(options) {
    this.options = options;
    const { api, talk } = options;
    this.id = talk.id;
    /** @type {Store<TalkState, TalkEvent | Command>} */
    this.store = new Store(reduce, openTalk(talk, options.user));
    const heard = new HeardReporter(api, talk.id);
    this.player = new Player({
      load: (clip, signal) => api.clip(talk.id, clip, signal),
      onPlaying: (at) => options.tabs.tell({ type: 'playing', talk: talk.id, at }),
      onHeard: ({ replyId, clause, ms }) => heard.report(replyId, clause, ms),
      onState: options.onSound,
      onTrouble: options.onTrouble,
    });
    this.recording = new Recording({
      load: (utterance, signal) => api.recording(talk.id, utterance, signal),
      microphone: options.microphone,
      onPlaying: (at) => this.store.dispatch({ type: 'replaying', at }),
      onTrouble: options.onTrouble,
    });
  }

  get state() {
    return this.store.state;
  }

  /** Whether this tab is the one that sounds; of a talk in several tabs, one does. */
  get #sounds() {
    return this.#holds > 0;
  }

  /** Reads until closed. */
  async follow() {
    void this.loadMembers();
    const { stream, tabs } = this.options;
    const unlisten = tabs.listen((message) => {
      if (message.type === 'playing' && message.talk === this.id) {
        this.#playingElsewhere = !this.#sounds && message.at !== null;
        this.store.dispatch({ type: 'playing', at: message.at });
        if (message.at) this.recording.stop();
      }
      if (message.type === 'stop' && message.talk === this.id && this.#sounds) void this.stop();
    });
    this.#abort.signal.addEventListener('abort', unlisten);
    for (const gesture of ['pointerdown', 'keydown']) {
      addEventListener(gesture, () => void this.#sound(true), { signal: this.#abort.signal });
    }
    void this.#sound();
    try {
      await this.#readTail();
      await stream.follow(
        this.id,
        {
          cursor: () => this.state.cursor,
          read: (events) => this.#read(events),
          event: (event) => this.#event(event),
          state: (state) => {
            if (this.#abort.signal.aborted) return; // another talk is open
            this.#behind = state === 'connecting';
            if (state === 'connecting') this.store.dispatch({ type: 'stream.opened' });
            this.options.onStream(state);
          },
        },
        this.#abort.signal,
      );
    } catch (error) {
      this.options.onTrouble('stream.refused', error);
    }
  }

  close() {
    this.#abort.abort();
    this.player.close();
    this.recording.stop();
  }

  /** @param {string} text @param {string} [key] of a message that failed and is sent again */
  async say(text, key = mintId()) {
    this.store.dispatch({ type: 'message.queued', key, text });
    try {
      const event = await this.options.api.say(this.id, text, key);
      this.store.dispatch({ type: 'message.accepted', key, utteranceId: event.utterance_id });
    } catch (error) {
      this.store.dispatch({ type: 'message.failed', key }); // which stands beside the message
      if (!(error instanceof ApiError && error.retryable)) this.options.onTrouble('message.failed', error);
    }
  }

  /** @param {string} key */
  dropMessage(key) {
    this.store.dispatch({ type: 'message.dropped', key });
  }

  /** Calls the agent, after the reader's own last words have been recognised. */
  async ask() {
    if (this.state.asking || goingReply(this.state)) return;
    this.#unwanted = false;
    this.store.dispatch({ type: 'reply.asked' });
    try {
      await this.#ownWords();
      const { reply_id: replyId } = await this.options.api.ask(this.id);
      // Its beginning may have been read before this answer.
      this.#asked = replyById(this.state, replyId) ? null : replyId;
      this.store.dispatch({ type: 'reply.accepted', replyId });
      if (this.#unwanted) await this.stop();
    } catch (error) {
      this.store.dispatch({ type: 'reply.refused' });
      this.options.onTrouble('reply.refused', error);
    }
  }

  /** Stops the reply that is being made or heard. */
  async stop() {
    if (this.#playingElsewhere) this.options.tabs.tell({ type: 'stop', talk: this.id });
    if (this.player.again) this.player.stop(); // which says nothing of how far it was heard once
    const replyId = this.player.replyId ?? goingReply(this.state)?.id ?? this.#asked;
    if (!replyId) {
      this.#unwanted = this.state.asking;
      return;
    }
    const at = playsHere(this.state, replyId) ? this.player.heard(replyId) : null;
    this.player.stop(replyId);
    this.store.dispatch({ type: 'reply.refused' });
    try {
      const heard = at && { clause: at.clause, ms: Math.round(at.ms) };
      await this.options.api.stop(this.id, replyId, heard);
    } catch (error) {
      this.options.onTrouble('stop.failed', error);
    }
  }

  /** @param {string} utterance @param {string} text */
  async correct(utterance, text) {
    try {
      await this.options.api.correct(this.id, utterance, text);
    } catch (error) {
      this.options.onTrouble('edit.failed', error);
    }
  }

  /** @param {Talk} talk as the server has it after a change */
  saved(talk) {
    this.store.dispatch({ type: 'settings.saved', talk });
  }

  /** Plays what was recorded of an utterance, or ends that. @param {Utterance} utterance */
  hear(utterance) {
    if (this.state.replaying?.id === utterance.id) return this.recording.stop();
    this.#hush();
    void this.recording.play(utterance);
  }

  /** Says a finished reply again, here alone. @param {Reply} reply */
  replay(reply) {
    this.#hush();
    for (const clause of reply.clauses) {
      this.player.add(reply.id, clause, this.state.settings, true);
    }
  }

  /** Silence for something else; of a reply that is still being made, the rest is not heard either. */
  #hush() {
    const going = goingReply(this.state);
    if (going) this.player.stop(going.id);
    this.player.stop();
  }

  /**
   * Becomes the tab that sounds, as soon as no other one is.
   * @param {boolean} [now] the reader is at this tab: it takes the sound over, between replies
   */
  async #sound(now = false) {
    const { signal } = this.#abort;
    if (this.#sounds || signal.aborted || (now && this.#playingElsewhere)) return;
    const { tabs } = this.options;
    let held = false;
    await tabs.hold(`sound.${this.id}`, signal, {
      steal: now,
      onHeld: () => {
        held = true;
        this.#holds += 1;
        tabs.tell({ type: 'playing', talk: this.id, at: null }); // whoever had it may be gone
      },
    });
    if (!held) return;
    this.#holds -= 1;
    if (this.#sounds || signal.aborted) return;
    this.player.stop(); // another tab has it
    void this.#sound();
  }

  /** The newest words of a long talk, at once; the others come after. */
  async #readTail() {
    const after = this.options.talk.seq - TAIL;
    if (after < TAIL) return;
    const { events } = await this.options.api.events(this.id, after).catch(() => ({ events: [] }));
    if (!events.length) return; // it is read from the beginning
    this.store.dispatch({ type: 'tail.read', after, events });
    void this.#readPast();
  }

  async #readPast() {
    const { api, talk, user } = this.options;
    let past = openTalk(talk, user);
    while (past.cursor < this.state.cursor) {
      const events = await eventsFrom(api, this.id, past.cursor, this.state.cursor, this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      past = reduce(past, { type: 'events.read', events });
    }
    this.store.dispatch({ type: 'past.read', past });
  }

  /** @param {DurableEvent[]} events */
  #read(events) {
    if (!this.state.ready) this.store.dispatch({ type: 'events.read', events });
    else for (const event of events) this.#take(event); // a hole in what is kept is what was erased
  }

  /** @param {TalkEvent} event */
  #event(event) {
    if (fit(this.state, event) === 'hole' && this.#brokenAt !== this.state.cursor) {
      this.#brokenAt = this.state.cursor; // asked again once; a hole that stays is the server's
      throw new ReadAgain();
    }
    this.#take(event);
  }

  /** @param {TalkEvent} event */
  #take(event) {
    const news = fit(this.state, event) !== 'old';
    this.store.dispatch(event);
    if (news) this.#effects(event);
  }

  /** What an event does besides being shown. @param {TalkEvent} event */
  #effects(event) {
    switch (event.type) {
      case 'utterance.final':
        this.options.onActive();
        break;
      case 'reply.started':
        this.#asked = null;
        this.options.onActive();
        break;
      case 'member.joined':
      case 'member.left':
        void this.loadMembers();
        break;
      case 'reply.clause': {
        // Live replies only: those that were being made while this page was listening.
        const reply = replyById(this.state, event.reply_id);
        const clause = reply?.clauses.at(-1);
        const { settings } = this.state;
        const stale = this.#behind && Date.now() - Date.parse(event.at) > STALE_MS;
        if (this.#sounds && !stale && reply && clause && speakerOf(reply, settings, this.options.voices())) {
          this.player.add(reply.id, clause, settings);
        }
        break;
      }
      case 'reply.finished':
        if (event.status === 'interrupted') this.player.stop(event.reply_id);
        break;
      case 'reply.cut':
        this.player.stop(event.reply_id);
        break;
      case 'capture.durable':
        this.options.onDurable(event.capture, event.offset);
        break;
      case 'talk.updated':
        this.options.onSettings(this.state.settings);
        if (event.settings.voice === 'none') this.player.stop();
        break;
      case 'talk.deleted':
        this.options.onDeleted(event.by);
        break;
    }
  }

  async #ownWords() {
    if (!mineUnfinished(this.state)) return;
    if (await this.#until(() => !mineUnfinished(this.state), WORDS_MS)) return;
    await Promise.race([this.options.endCapture(), wait(ANSWER_MS)]);
  }

  /** @param {() => boolean} holds @param {number} ms @returns {Promise<boolean>} whether in time */
  #until(holds, ms) {
    return new Promise((resolve) => {
      /** @param {boolean} ok */
      const end = (ok) => {
        unwatch();
        clearTimeout(timer);
        resolve(ok);
      };
      const timer = setTimeout(() => end(false), ms);
      const unwatch = this.store.watch(() => holds() && end(true));
    });
  }

  async loadMembers() {
    const answer = await this.options.api.members(this.id).catch(() => null);
    if (answer) this.store.dispatch({ type: 'members.loaded', members: answer.members });
  }
}

/** @param {number} ms */
function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
