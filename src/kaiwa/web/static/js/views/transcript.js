/**
 * What was said, the newest at the bottom. Only a window of a long talk is in the document; it
 * grows upwards when the reader scrolls there. Entries keep their elements, so nothing flickers.
 */

/** @import {Entry, TalkState, Utterance} from '../types.js' */
/** @import {TalkSession} from '../talk-session.js' */
import { AGENT } from '../core/protocol.js';
import { h, icon } from '../dom.js';
import { dayName, t } from '../i18n.js';
import {
  drawEditor,
  drawNote,
  drawPartial,
  drawPending,
  drawReply,
  drawUtterance,
  spokenForm,
} from './entries.js';

const WINDOW = 120; // entries shown at first, and more at each step upwards
const NEAR_PX = 120; // this close to the bottom the reader follows what comes
const FOLLOWS_MS = 120_000; // within this time the same speaker's name is not repeated

/** @typedef {{element: HTMLElement, drawn: unknown[]}} Slot */

export class TranscriptView {
  #list = h('div', { class: 'entries' });
  #earlier = h(
    'button',
    { class: 'soft earlier', type: 'button', hidden: true, onclick: () => this.#showEarlier() },
    t('talk.earlier'),
  );
  #latest = h(
    'button',
    {
      class: 'latest',
      type: 'button',
      hidden: true,
      onclick: () => this.#toBottom('smooth'),
    },
    icon('down'),
    t('talk.latest'),
  );
  #empty = h('div', { class: 'empty', hidden: true });
  #live = h('div', { class: 'visually-hidden', 'aria-live': 'polite', 'data-testid': 'announcer' });
  #scroller = h(
    'div',
    {
      class: 'scroller',
      role: 'log',
      'aria-live': 'off',
      'aria-label': t('talk.log'),
      tabindex: 0,
      onscroll: () => this.#scrolled(),
    },
    h('div', { class: 'column' }, this.#earlier, this.#list, this.#empty),
  );
  element = h('div', { class: 'transcript' }, this.#scroller, this.#latest, this.#live);

  /** @type {Map<string, Slot>} */
  #slots = new Map();
  /** @type {TalkSession | null} */
  #session = null;
  #shown = WINDOW;
  #sticks = true;
  #announced = 0;
  /** @type {string | null} the utterance that is being corrected */
  #editing = null;
  #resized = new ResizeObserver(() => this.#sticks && this.#toBottom());

  constructor() {
    this.#empty.append(
      h('p', { class: 'empty-title' }),
      h('p', { class: 'empty-hint' }),
    );
    this.#resized.observe(this.#scroller);
    this.#resized.observe(this.#list);
  }

  /** @param {TalkSession | null} session */
  open(session) {
    this.#session = session;
    this.#slots.clear();
    this.#list.replaceChildren();
    this.#shown = WINDOW;
    this.#sticks = true;
    this.#announced = 0;
    this.#editing = null;
    this.#live.replaceChildren();
  }

  update() {
    const session = this.#session;
    if (!session) return;
    const { state } = session;
    const first = Math.max(0, state.entries.length - this.#shown);
    this.#earlier.hidden = first === 0;
    /** @type {HTMLElement[]} */
    const order = [];
    /** @type {{participant: string, at: number} | null} */
    let before = null;
    let day = '';
    for (let i = first; i < state.entries.length; i++) {
      const entry = state.entries[i];
      const today = new Date(entry.at).toDateString();
      if (today !== day) {
        order.push(this.#day(today, entry.at));
        before = null;
      }
      day = today;
      order.push(this.#entry(state, entry, follows(before, entry)));
      before = entry.kind === 'note' ? null : { participant: speaker(entry), at: Date.parse(entry.at) };
    }
    for (const partial of state.partials) {
      const same = before?.participant === partial.participant;
      order.push(
        this.#slot(partial.id, [partial, same], (element) =>
          drawPartial(element, partial, this.#frame(state, partial.participant, same)),
        ),
      );
      before = { participant: partial.participant, at: Date.parse(partial.at) };
    }
    for (const message of state.pending) {
      order.push(
        this.#slot(message.key, [message], (element) =>
          drawPending(element, message, this.#frame(state, state.me, false), {
            retry: () => session.say(message.text, message.key),
            drop: () => session.dropMessage(message.key),
          }),
        ),
      );
    }
    this.#arrange(order);
    this.#drawEmpty(state);
    this.#announce(state);
    if (this.#sticks) this.#toBottom();
  }

  /** @param {TalkState} state @param {Entry} entry @param {boolean} sameSpeaker */
  #entry(state, entry, sameSpeaker) {
    if (entry.kind === 'note') {
      return this.#slot(entry.id, [entry], (element) => drawNote(element, entry));
    }
    const who = speaker(entry);
    if (entry.kind === 'reply') {
      const playing = state.playing?.replyId === entry.id ? state.playing.clause : null;
      return this.#slot(entry.id, [entry, playing], (element) =>
        drawReply(element, entry, { ...this.#frame(state, who, false), playing }),
      );
    }
    const editable = who === state.me && state.role !== 'listener';
    return this.#slot(entry.id, [entry, sameSpeaker], (element) =>
      drawUtterance(
        element,
        entry,
        this.#frame(state, who, sameSpeaker),
        editable ? (utterance) => this.#edit(utterance) : null,
      ),
    );
  }

  /** @param {TalkState} state @param {string} who @param {boolean} sameSpeaker */
  #frame(state, who, sameSpeaker) {
    return {
      who: state.participants[who] ?? null,
      follows: sameSpeaker,
      mine: who === state.me,
      playing: null,
    };
  }

  /** @param {string} today @param {string} at */
  #day(today, at) {
    return this.#slot(`day ${today}`, [today], (element) => {
      element.className = 'day';
      element.replaceChildren(h('span', {}, dayName(at)));
    });
  }

  /**
   * The element of a key, drawn again only if what it shows is another.
   * @param {string} key
   * @param {unknown[]} shows
   * @param {(element: HTMLElement) => void} draw
   */
  #slot(key, shows, draw) {
    let slot = this.#slots.get(key);
    if (!slot) {
      slot = { element: h('div'), drawn: [] };
      this.#slots.set(key, slot);
    }
    const same =
      slot.drawn.length === shows.length && shows.every((value, i) => value === slot.drawn[i]);
    if (!same && this.#editing !== key) {
      // In the document first: a partial measures its own height.
      if (!slot.element.isConnected) this.#list.append(slot.element);
      draw(slot.element);
      slot.drawn = shows;
    }
    return slot.element;
  }

  /** @param {HTMLElement[]} order */
  #arrange(order) {
    const wanted = new Set(order);
    for (const [key, slot] of this.#slots) {
      if (wanted.has(slot.element)) continue;
      slot.element.remove();
      this.#slots.delete(key);
    }
    let at = this.#list.firstElementChild;
    for (const element of order) {
      if (element === at) at = at.nextElementSibling;
      else this.#list.insertBefore(element, at);
    }
  }

  /** @param {TalkState} state */
  #drawEmpty(state) {
    const nothing =
      !state.partials.length &&
      !state.pending.length &&
      !state.entries.some((entry) => entry.kind !== 'note');
    this.#empty.hidden = !nothing;
    if (!nothing) return;
    const [title, hint] = this.#empty.children;
    if (!state.ready) {
      title.textContent = '';
      hint.textContent = t('talk.connecting');
    } else if (state.role === 'listener') {
      title.textContent = t('talk.emptyListener');
      hint.textContent = '';
    } else {
      title.textContent = t('talk.empty');
      hint.textContent = t('talk.emptyHint');
    }
  }

  /** Finished words only, and only new ones. @param {TalkState} state */
  #announce(state) {
    if (!state.ready) {
      this.#announced = state.cursor;
      return;
    }
    for (const entry of state.entries.slice(-5)) {
      const finished = entry.kind === 'reply' ? entry.status !== 'going' : true;
      if (!finished || entry.seq <= this.#announced) continue;
      this.#announced = entry.seq;
      const words = spokenForm(entry);
      if (!words) continue;
      this.#live.append(h('p', {}, words));
      while (this.#live.children.length > 5) this.#live.firstElementChild?.remove();
    }
  }

  /** @param {Utterance} utterance */
  #edit(utterance) {
    const slot = this.#slots.get(utterance.id);
    if (!slot || this.#editing) return;
    this.#editing = utterance.id;
    drawEditor(slot.element, utterance, (text) => {
      this.#editing = null;
      slot.drawn = [];
      if (text) void this.#session?.correct(utterance.id, text);
      this.update();
    });
  }

  #showEarlier() {
    const { scrollHeight, scrollTop } = this.#scroller;
    this.#shown += WINDOW;
    this.#sticks = false;
    this.update();
    this.#scroller.scrollTop = scrollTop + this.#scroller.scrollHeight - scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#sticks = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.#latest.hidden = this.#sticks;
    if (scrollTop < NEAR_PX && !this.#earlier.hidden && !this.#sticks) this.#showEarlier();
  }

  /** @param {ScrollBehavior} [behavior] */
  #toBottom(behavior = 'instant') {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }
}

/** @param {Exclude<Entry, {kind: 'note'}>} entry */
function speaker(entry) {
  return entry.kind === 'reply' ? AGENT : entry.participant;
}

/** @param {{participant: string, at: number} | null} before @param {Entry} entry */
function follows(before, entry) {
  return (
    before !== null &&
    entry.kind === 'utterance' &&
    before.participant === entry.participant &&
    Date.parse(entry.at) - before.at < FOLLOWS_MS
  );
}
