/**
 * The events of all talks that this browser's tabs have open, over one connection: the leading tab
 * reads it and tells the others. HTTP/1.1 allows six connections to a server, whatever the number
 * of tabs.
 *
 * Each tab reads what was said before by itself, in pages, and takes from the stream what is new;
 * where the stream leaves a hole, it reads a page again. So it does not matter where the stream
 * begins, nor which tab leads, nor what is lost when one tab takes over from another.
 */

/** @import {DurableEvent, TabMessage, TalkEvent} from './types.js' */
/** @import {Api} from './api.js' */
import { decodeEvent, isDurable } from './core/protocol.js';
import { sseMessages } from './core/sse.js';
import { ApiError } from './api.js';
import { pause } from './pause.js';
import { Tabs } from './tabs.js';

const SILENCE_MS = 20_000; // the server says something every 15 s
const ANSWER_MS = 2500; // a leading tab that does not answer by then is frozen
const ROLL_MS = 80; // how long the tabs may take to say where they are
const SETTLE_MS = 150; // a closing tab's locks are gone by then
const BACKOFF_MS = [300, 700, 1500, 3000, 5000];
const STEADY_MS = 10_000; // a stream that lived this long starts the back-off anew
const PAGE = 500; // events in one answer, as the server has it
const AT_ONCE = 4; // pages of a long talk asked for at the same time

/** Thrown by a follower's `event` to read again from its cursor. */
export class ReadAgain extends Error {}

/**
 * @typedef {object} Follower
 * @property {() => number} cursor the last seq that has been read
 * @property {(events: DurableEvent[]) => void} read what was said before, in order
 * @property {(event: TalkEvent) => void} event
 * @property {(state: 'connecting' | 'live') => void} state
 */

export class EventStream {
  #tabs;
  #api;
  #over = new AbortController();
  /** @type {Map<string, {follower: Follower, work: Promise<void>, refuse: (e: ApiError) => void}>} */
  #following = new Map();
  /** @type {Map<string, number>} the newest seq of each talk that any tab has seen */
  #seqs = new Map();
  /** @type {Leading | null} */
  #leading = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #doubt;

  /** @param {Tabs} tabs @param {Api} api */
  constructor(tabs, api) {
    this.#tabs = tabs;
    this.#api = api;
    tabs.listen((message) => this.#told(message));
    for (const event of ['pageshow', 'online']) addEventListener(event, this.#woken, this.#once);
    document.addEventListener('visibilitychange', this.#woken, this.#once);
    addEventListener('pagehide', () => tabs.tell({ type: 'changed' }), this.#once);
    void this.#candidate();
  }

  get #once() {
    return { signal: this.#over.signal };
  }

  close() {
    this.#over.abort();
    this.#leading?.stop();
    clearTimeout(this.#doubt);
  }

  /**
   * Follows a talk until `signal` aborts; throws ApiError if the server says that it may not.
   *
   * @param {string} talk
   * @param {Follower} follower
   * @param {AbortSignal} signal
   */
  async follow(talk, follower, signal) {
    follower.state('connecting');
    await this.#readBefore(talk, follower, signal);
    if (signal.aborted) return;
    /** @type {Promise<void>} */
    const refused = new Promise((_, refuse) => {
      this.#following.set(talk, { follower, work: Promise.resolve(), refuse });
    });
    const ended = new AbortController();
    const done = this.#tabs.hold(`talk.${talk}`, AbortSignal.any([signal, ended.signal]), {
      mode: 'shared',
      onHeld: () => this.#tabs.tell({ type: 'want', talk, seq: follower.cursor() }),
    });
    try {
      await Promise.race([done, refused]);
    } finally {
      ended.abort();
      if (this.#following.get(talk)?.follower === follower) this.#following.delete(talk);
      this.#tabs.tell({ type: 'changed' });
    }
  }

  /** What was said up to now. @param {string} talk @param {Follower} follower @param {AbortSignal} signal */
  async #readBefore(talk, follower, signal) {
    let to = follower.cursor() + 1;
    while (follower.cursor() < to && !signal.aborted) {
      const before = follower.cursor();
      const events = await eventsFrom(this.#api, talk, before, to, signal);
      follower.read(events);
      if (follower.cursor() === before) return;
      to = Math.max(to, this.#seqs.get(talk) ?? 0, before + events.length + 1);
    }
  }

  // --- as one of the tabs ---

  /** @param {TabMessage} message */
  #told(message) {
    switch (message.type) {
      case 'event': {
        const { event } = message;
        const talk = event.talk ?? '';
        if (isDurable(event)) this.#seqs.set(talk, event.seq);
        this.#hand(talk, event);
        break;
      }
      case 'want':
        this.#seqs.set(message.talk, Math.max(message.seq, this.#seqs.get(message.talk) ?? 0));
        this.#leading?.want(message.talk);
        break;
      case 'changed':
        this.#leading?.changed();
        break;
      case 'roll':
        for (const [talk, { follower }] of this.#following) {
          follower.state('connecting'); // another tab leads
          this.#tabs.tell({ type: 'want', talk, seq: follower.cursor() });
        }
        break;
      case 'broken':
        for (const { follower } of this.#following.values()) follower.state('connecting');
        break;
      case 'refused': {
        const { status, code, text } = message;
        this.#following.get(message.talk)?.refuse(new ApiError(status, code, text, false));
        break;
      }
      case 'ping':
        if (this.#leading) {
          this.#leading.check();
          this.#tabs.tell({ type: 'pong', good: this.#leading.live || this.#tabs.shown });
        }
        break;
      case 'pong':
        if (message.good) clearTimeout(this.#doubt);
    }
  }

  /** One after the other, since reading a page takes its time. @param {string} talk @param {TalkEvent} event */
  #hand(talk, event) {
    const entry = this.#following.get(talk);
    if (!entry) return;
    const { follower } = entry;
    const signal = this.#over.signal;
    entry.work = entry.work.then(async () => {
      if (this.#following.get(talk) !== entry) return;
      try {
        if (event.type === 'ready' && event.seq > follower.cursor()) {
          await this.#readBefore(talk, follower, signal);
        }
        try {
          follower.event(event);
        } catch (error) {
          if (!(error instanceof ReadAgain)) throw error;
          await this.#readBefore(talk, follower, signal);
        }
        if (event.type === 'ready') follower.state('live');
      } catch (error) {
        if (error instanceof ApiError) entry.refuse(error);
        else throw error;
      }
    });
  }

  /** Awake again, shown again, connected again: does the leading tab still work? */
  #woken = () => {
    if (!this.#tabs.shown) return;
    clearTimeout(this.#doubt);
    this.#doubt = setTimeout(() => void this.#candidate(true), ANSWER_MS);
    this.#tabs.tell({ type: 'ping' });
  };

  /** @param {boolean} [steal] */
  async #candidate(steal = false) {
    const { signal } = this.#over;
    if (this.#leading || signal.aborted) return;
    const leading = new Leading(this.#tabs, this.#api, this.#seqs, this.#following);
    await this.#tabs.hold('lead', signal, {
      steal,
      onHeld: () => {
        this.#leading = leading;
        void leading.run();
      },
    });
    leading.stop();
    if (this.#leading !== leading) return; // a candidate that never led
    this.#leading = null;
    if (!signal.aborted) void this.#candidate();
  }
}

/**
 * The next events after a cursor, several pages at a time, as far as `to` where there are so many.
 * Waits for a server that is away; throws ApiError for what waiting would not mend.
 *
 * @param {Api} api
 * @param {string} talk
 * @param {number} after
 * @param {number} to
 * @param {AbortSignal} signal
 */
export async function eventsFrom(api, talk, after, to, signal) {
  const starts = Array.from({ length: AT_ONCE }, (_, i) => after + i * PAGE);
  const wanted = starts.filter((start) => start < to);
  for (let failures = 0; !signal.aborted; ) {
    try {
      const pages = await Promise.all(wanted.map((start) => api.events(talk, start)));
      return pages.flatMap(({ events }) => events);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.retryable) throw error;
      await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)], signal);
    }
  }
  return [];
}

/** The part of the tab that leads: one connection for all. */
class Leading {
  #over = new AbortController();
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {Set<string>} */
  #talks = new Set();
  #ready = new Set();
  /** @type {Map<string, TalkEvent>} who is where, for tabs that come later */
  #presence = new Map();
  #heardAt = Date.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  #wake = () => {};

  /**
   * @param {Tabs} tabs @param {Api} api @param {Map<string, number>} seqs
   * @param {Map<string, unknown>} own the talks of this tab: all there are, where there are no locks to ask
   */
  constructor(tabs, api, seqs, own) {
    this.tabs = tabs;
    this.api = api;
    this.seqs = seqs;
    this.own = own;
  }

  get live() {
    return this.#ready.size > 0;
  }

  stop() {
    this.#over.abort();
    this.#reading?.abort();
    clearTimeout(this.#settling);
    this.#wake();
  }

  /** @param {string} talk */
  want(talk) {
    const seq = this.seqs.get(talk) ?? 0;
    if (this.#ready.has(talk)) {
      this.tabs.tell({ type: 'event', event: { type: 'ready', talk, seq } });
      const known = [...this.#presence.values()].filter((event) => event.talk === talk);
      for (const event of known) this.tabs.tell({ type: 'event', event });
    } else if (!this.#talks.has(talk)) this.changed();
  }

  /** Tabs have come or gone. */
  changed() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(async () => {
      const now = await this.#wanted();
      const same = now.size === this.#talks.size && [...now].every((t) => this.#talks.has(t));
      if (!same || !this.#reading) this.#again();
    }, SETTLE_MS);
  }

  /** A stream that has been silent for too long, perhaps in its sleep, is opened anew. */
  check() {
    if (Date.now() - this.#heardAt > SILENCE_MS) this.#again();
  }

  #again() {
    this.#reading?.abort();
    this.#wake();
  }

  async run() {
    const { signal } = this.#over;
    this.tabs.tell({ type: 'roll' });
    await new Promise((resolve) => setTimeout(resolve, ROLL_MS));
    let failures = 0;
    while (!signal.aborted) {
      this.#talks = await this.#wanted();
      if (signal.aborted) return;
      if (!this.#talks.size) {
        await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
        continue;
      }
      const began = performance.now();
      const reading = new AbortController();
      this.#reading = reading;
      let error = await this.#read(reading.signal).catch((reason) => reason);
      this.#reading = null;
      this.#ready.clear();
      this.#presence.clear();
      if (signal.aborted) return;
      this.tabs.tell({ type: 'broken' });
      if (reading.signal.aborted) continue; // other talks are wanted, or it was silent
      if (error instanceof ApiError && !error.retryable) await this.#refuse(this.#talks);
      if (performance.now() - began > STEADY_MS) failures = 0;
      await pause(BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)], signal);
    }
  }

  async #wanted() {
    return (await this.tabs.held('talk.')) ?? new Set(this.own.keys());
  }

  /** @param {AbortSignal} aborted */
  async #read(aborted) {
    const stalled = new AbortController();
    const signal = AbortSignal.any([aborted, stalled.signal]);
    const after = [...this.#talks].map((talk) => `${talk}:${this.seqs.get(talk) ?? 0}`).join(',');
    let timer = setTimeout(() => stalled.abort(), SILENCE_MS);
    try {
      const response = await fetch(`/stream?after=${after}`, {
        headers: { Accept: 'text/event-stream' },
        cache: 'no-store',
        signal,
      });
      if (!response.ok || !response.body) throw await ApiError.of(response);
      /** @type {TransformStream<Uint8Array, Uint8Array>} */
      const watched = new TransformStream({
        transform: (chunk, controller) => {
          this.#heardAt = Date.now();
          clearTimeout(timer);
          timer = setTimeout(() => stalled.abort(), SILENCE_MS);
          controller.enqueue(chunk);
        },
      });
      await response.body
        .pipeThrough(watched)
        .pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream()))
        .pipeThrough(sseMessages())
        .pipeTo(
          new WritableStream({
            write: async (message) => {
              if (message.event === 'error') await this.#leave(JSON.parse(message.data).talk);
              const event = decodeEvent(message);
              if (!event) return;
              if (event.type === 'ready') this.#ready.add(event.talk);
              if (event.type === 'presence') this.#presence.set(`${event.talk} ${event.participant}`, event);
              this.tabs.tell({ type: 'event', event });
            },
          }),
          { signal },
        );
    } finally {
      clearTimeout(timer);
    }
  }

  /** The server reads this one no more. Throws where it may be asked for again. @param {string} talk */
  async #leave(talk) {
    if (!(await this.#refuse([talk]))) throw new ApiError(0, 'unreachable', talk, true);
  }

  /** Some of these may not be read: which, and why? @param {Iterable<string>} talks @returns whether any */
  async #refuse(talks) {
    let any = false;
    for (const talk of talks) {
      const refusal = await this.api.talk(talk).then(
        () => null,
        (reason) => (reason instanceof ApiError && !reason.retryable ? reason : null),
      );
      if (!refusal) continue;
      any = true;
      const { status, code, message: text } = refusal;
      this.tabs.tell({ type: 'refused', talk, status, code, text });
    }
    return any;
  }
}
