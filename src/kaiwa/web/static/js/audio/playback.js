/**
 * Plays a reply's clauses one after the other without a gap, says which one is being heard, and
 * stops at once. A clause is either a clip from the server or text for the browser's own voice.
 */

/** @import {Clause, Position, SoundState, TalkSettings} from '../types.js' */
import { endOf, placeHeard } from '../core/voice.js';
import { preferences, watchPreferences } from '../prefs.js';
import { languageOf, speakAloud } from './browser-voice.js';

const TICK_MS = 100; // how exactly the highlight follows; clause ends are exact
const REPORT_MS = 1000;
const LEAD_S = 0.03; // a source scheduled for "now" would lose its first samples
const AHEAD = 3; // clips fetched before they are needed
const DUCKED = 0.06; // of full: 24 dB less
const DUCK_S = 0.012; // time constant: 20 dB in 40 ms, without a click
const WAKE_MS = 400; // an AudioContext that is allowed to run does so by then

/**
 * @typedef {object} Item
 * @property {string} replyId
 * @property {Clause} clause
 * @property {Promise<AudioBuffer | null> | null} buffer null: the browser's voice speaks it
 * @property {AudioBufferSourceNode | null} node
 * @property {number} from on the context's clock, in seconds
 * @property {number} to
 * @property {TalkSettings} settings of the talk, for the browser's voice
 * @property {boolean} again said before: nobody is told how far it was heard
 *
 * @typedef {object} PlayerOptions
 * @property {(clip: string, signal: AbortSignal) => Promise<ArrayBuffer>} load
 * @property {(at: {replyId: string, clause: number} | null) => void} onPlaying
 * @property {(position: Position) => void} onHeard
 * @property {(state: SoundState) => void} onState
 * @property {(code: string) => void} onTrouble
 */

/** @type {AudioContext | null} one for the page: browsers allow few, and a gesture wakes it */
let shared = null;

export function audio() {
  shared ??= new AudioContext({ latencyHint: 'interactive' });
  return shared;
}

/** @type {GainNode | null} the reader's volume */
let volume = null;
/** @type {AnalyserNode | null} */
let level = null;

/** What sounds just now; null: nothing ever has. */
export function outputLevel() {
  return level;
}

export function output() {
  if (volume) return volume;
  const gain = audio().createGain();
  level = audio().createAnalyser();
  level.fftSize = 1024; // as the microphone's
  gain.connect(level).connect(audio().destination);
  watchPreferences(() => gain.gain.setTargetAtTime(preferences().volume, audio().currentTime, 0.02));
  volume = gain;
  return gain;
}

/** Call from a user's gesture, so that replies may sound later. */
export function unlockSound() {
  if (audio().state !== 'running') void audio().resume();
}

export class Player {
  /** @type {Item[]} not yet ended, in order; the first may be sounding */
  #items = [];
  #gain;
  #free = 0; // when the last scheduled clip ends
  #abort = new AbortController();
  #pumping = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;
  #reported = 0;
  /** @type {{item: Item, began: number, stop: () => void} | null} */
  #speech = null;
  /** @type {Item | null} the clause whose beginning has been told */
  #told = null;
  #stopped = new Set();
  /** @type {Map<string, {clause: number, ms: number}>} by reply: what is over and was heard */
  #heard = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;

  /** @param {PlayerOptions} options */
  constructor(options) {
    this.options = options;
    const context = audio();
    this.#gain = context.createGain();
    this.#gain.connect(output());
    context.addEventListener('statechange', this.#stateChanged);
  }

  /**
   * @param {string} replyId
   * @param {Clause} clause
   * @param {TalkSettings} settings of the talk
   * @param {boolean} [again] it was said before
   */
  add(replyId, clause, settings, again = false) {
    if (this.#stopped.has(replyId) && !again) return;
    this.#items.push({
      replyId,
      clause,
      buffer: null,
      node: null,
      from: Infinity,
      to: Infinity,
      settings,
      again,
    });
    this.#prefetch();
    this.#stateChanged();
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS);
    void this.#pump();
  }

  /** How far a reply has been heard, also while nothing sounds. @param {string} replyId */
  heard(replyId) {
    const spoken = this.#speech && this.#current();
    if (spoken?.replyId === replyId) {
      return { clause: spoken.clause.index, ms: this.#elapsed(spoken) };
    }
    const clips = this.#items.filter((item) => item.replyId === replyId && !item.again);
    return placeHeard(clips, audio().currentTime, this.#heard.get(replyId));
  }

  /** Go on, hardly heard; or as before. @param {boolean} ducked */
  duck(ducked) {
    this.#gain.gain.setTargetAtTime(ducked ? DUCKED : 1, audio().currentTime, DUCK_S);
    document.documentElement.dataset.ducked = String(ducked);
  }

  /** The reply that is sounding or waits to. */
  get replyId() {
    return this.#items[0]?.replyId ?? null;
  }

  /** Whether it is one that was said before. */
  get again() {
    return this.#items[0]?.again ?? false;
  }

  /**
   * Silence, now.
   * @param {string} [replyId] only this reply, which will not be played again; else everything
   */
  stop(replyId) {
    if (replyId) this.#stopped.add(replyId);
    const gone = this.#items.filter((item) => !replyId || item.replyId === replyId);
    if (!gone.length) return;
    const first = gone.filter((item) => !item.again);
    for (const id of new Set(first.map((item) => item.replyId))) {
      this.#heard.set(id, this.heard(id));
    }
    this.#items = this.#items.filter((item) => !gone.includes(item));
    for (const item of gone) unschedule(item);
    for (const item of this.#items) if (item.from > audio().currentTime) unschedule(item); // it comes sooner now
    if (this.#speech && gone.includes(this.#speech.item)) {
      this.#speech.stop();
      this.#speech = null;
    }
    this.#free = Math.max(0, ...this.#items.filter(({ node }) => node).map(({ to }) => to));
    if (this.#items.length) void this.#pump();
    else this.#rest();
  }

  close() {
    this.stop();
    this.#abort.abort();
    audio().removeEventListener('statechange', this.#stateChanged);
    this.#gain.disconnect();
    clearInterval(this.#ticker);
  }

  #prefetch() {
    for (const item of this.#items.filter((i) => !i.node).slice(0, AHEAD)) {
      const { clip } = item.clause;
      if (!clip || item.buffer) continue;
      item.buffer = this.options
        .load(clip, this.#abort.signal)
        .then((bytes) => audio().decodeAudioData(bytes))
        .catch(() => {
          if (!this.#abort.signal.aborted) this.options.onTrouble('clip.failed');
          return null;
        });
    }
  }

  /** Schedules clips in order, each as soon as it is decoded. */
  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    for (;;) {
      const item = this.#next;
      if (!item || this.#speech) break; // what follows the browser's voice waits for its end
      this.#prefetch();
      if (!item.clause.clip) {
        // The browser's voice has no clock to schedule on: it waits for its turn.
        if (item !== this.#items[0]) break;
        this.#speak(item);
        break;
      }
      const buffer = await item.buffer;
      if (item !== this.#next) continue;
      if (buffer) this.#schedule(item, buffer);
      else this.#drop(item);
    }
    this.#pumping = false;
  }

  /** The first that has no place in time. */
  get #next() {
    return this.#items.find((item) => !item.node && item !== this.#speech?.item);
  }

  /** @param {Item} item @param {AudioBuffer} buffer */
  #schedule(item, buffer) {
    const context = audio();
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.#gain);
    item.from = Math.max(context.currentTime + LEAD_S, this.#free);
    item.to = item.from + buffer.duration;
    this.#free = item.to;
    node.onended = () => this.#ended(item, buffer.duration * 1000);
    node.start(item.from);
    item.node = node;
  }

  /** @param {Item} item */
  #speak(item) {
    const { language, voice_speed, voice_pitch } = item.settings;
    const prosody = { speed: voice_speed, pitch: voice_pitch };
    const stop = speakAloud(item.clause.text, languageOf(language, item.clause.text), prosody, {
      onStart: () => {
        if (this.#speech?.item !== item) return;
        this.#speech.began = performance.now();
        this.#tick();
      },
      onEnd: (ok) => {
        if (this.#speech?.item !== item) return;
        const ms = ok ? performance.now() - this.#speech.began : 0;
        this.#speech = null;
        if (ok) this.#ended(item, ms);
        else {
          this.options.onTrouble('voice.none');
          this.#drop(item);
          void this.#pump();
        }
      },
    });
    this.#speech = { item, began: Infinity, stop };
  }

  /** @param {Item} item @param {number} ms its whole length */
  #ended(item, ms) {
    if (!this.#items.includes(item)) return;
    const end = endOf(item.clause, ms);
    if (!item.again) {
      this.#heard.set(item.replyId, end);
      this.options.onHeard({ replyId: item.replyId, ...end });
    }
    this.#reported = performance.now();
    const root = document.documentElement;
    root.dataset.played = String(Number(root.dataset.played ?? 0) + 1);
    this.#drop(item);
    this.#tick();
    void this.#pump();
  }

  /** @param {Item} item */
  #drop(item) {
    this.#items = this.#items.filter((i) => i !== item);
    if (!this.#items.length) this.#rest();
  }

  #rest() {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.#told = null;
    this.options.onPlaying(null);
    this.options.onState('idle');
  }

  #tick() {
    if (!this.#items.length || !this.#may) return;
    const item = this.#current();
    this.options.onState(item ? 'playing' : 'waiting');
    if (!item) return;
    const position = { replyId: item.replyId, clause: item.clause.index, ms: this.#elapsed(item) };
    const now = performance.now();
    if (this.#told !== item) {
      this.#told = item;
      this.options.onPlaying(position);
      if (!item.again) this.options.onHeard(position);
      this.#reported = now;
    } else if (!item.again && now - this.#reported >= REPORT_MS) {
      this.options.onHeard(position);
      this.#reported = now;
    }
  }

  /** @returns {Item | null} */
  #current() {
    if (this.#speech) return this.#speech.began === Infinity ? null : this.#speech.item;
    const now = audio().currentTime;
    return this.#items.find((item) => item.from <= now && now < item.to) ?? null;
  }

  /** @param {Item} item @returns {number} ms */
  #elapsed(item) {
    return this.#speech?.item === item
      ? performance.now() - this.#speech.began
      : (audio().currentTime - item.from) * 1000;
  }

  /** Whether the browser lets the next clause sound. */
  get #may() {
    return !this.#items[0]?.clause.clip || audio().state === 'running';
  }

  #stateChanged = () => {
    if (this.#may) return this.#tick();
    void audio().resume();
    clearTimeout(this.#wake);
    this.#wake = setTimeout(() => {
      if (!this.#may) this.options.onState('blocked');
    }, WAKE_MS);
  };
}

/** @param {Item} item */
function unschedule(item) {
  if (!item.node) return;
  item.node.onended = null;
  item.node.stop();
  item.node = null;
  item.from = item.to = Infinity;
}
