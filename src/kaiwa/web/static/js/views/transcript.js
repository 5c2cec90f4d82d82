/**
 * What was said, the newest at the bottom. Of a long talk only a window is in the document; it
 * moves with the reader, both ways. Entries keep their elements, so nothing flickers.
 */

/** @import {Entry, TalkState, Utterance} from '../types.js' */
/** @import {Controller} from '../controller.js' */
/** @import {TalkSession} from '../talk-session.js' */
import { follows, speaker } from '../core/entries.js';
import { folded } from '../core/search.js';
import { h, icon } from '../dom.js';
import { dayName, t } from '../i18n.js';
import {
  drawEditor,
  drawNote,
  drawPartial,
  drawPending,
  drawReply,
  drawUtterance,
} from './entries.js';
import { Announcer } from './announcer.js';
import { EmptyView } from './empty.js';
import { light, marksIn } from './highlight.js';
import { showReplaying } from './replaying.js';

const WINDOW = 120; // entries shown at first
const STEP = 40; // by which the window grows at one end
const MOST = 200; // and is cut at the other
const NEAR_PX = 120; // this close to the bottom the reader follows what comes
const AHEAD_PX = 1200; // this close to the window's edge it moves on

/** @typedef {{element: HTMLElement, drawn: unknown[]}} Slot */

export class TranscriptView {
  #list = h('div', { class: 'entries' });
  #latest = h(
    'button',
    { class: 'latest', type: 'button', hidden: true, 'data-testid': 'latest', onclick: () => this.#toLatest() },
    icon('down'),
    t('talk.latest'),
  );
  #empty = new EmptyView();
  #announcer = new Announcer();
  #scroller = h(
    'div',
    {
      class: 'scroller',
      role: 'log',
      'aria-live': 'off',
      'aria-label': t('talk.log'),
      tabindex: 0,
      onscroll: () => this.#scrolled(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onclick: (/** @type {MouseEvent} */ event) => this.#clicked(event),
    },
    h('div', { class: 'column' }, this.#list, this.#empty.element),
  );
  element = h('div', { class: 'transcript' }, this.#scroller, this.#latest, this.#announcer.element);

  /** @type {Map<string, Slot>} */
  #slots = new Map();
  /** @type {TalkSession | null} */
  #session = null;
  /** The window, as indices of entries; `#last` null: up to the newest. */
  #first = 0;
  /** @type {number | null} */
  #last = null;
  #past = 0;
  #sticks = true;
  /** @type {string | null} the utterance that is being corrected */
  #editing = null;
  /** @type {string | null} the entry whose tools are at hand */
  #picked = null;
  #sought = '';
  #resized = new ResizeObserver(() => this.#sticks && this.#toBottom());

  /** @param {Controller} controller */
  constructor(controller) {
    this.controller = controller;
    this.#resized.observe(this.#scroller);
    this.#resized.observe(this.#list);
  }

  /** @param {TalkSession | null} session */
  open(session) {
    this.#session = session;
    this.#slots.clear();
    this.#list.replaceChildren();
    this.#first = 0;
    this.#last = null;
    this.#past = 0;
    this.#sticks = true;
    this.#editing = null;
    this.#picked = null;
    this.#sought = '';
    this.#announcer.reset();
  }

  focus() {
    this.#scroller.focus({ preventScroll: true });
  }

  /** Lights up this text wherever it stands. @param {string} text */
  seek(text) {
    this.#sought = folded(text);
    light(this.#list, this.#sought);
  }

  /** Shows an entry in the middle, and picks it. @param {number} index */
  reveal(index) {
    const entry = this.#session?.state.entries[index];
    if (!entry) return;
    this.#sticks = false;
    this.#first = Math.max(0, index - WINDOW / 2);
    this.#last = index + WINDOW / 2;
    this.update();
    this.#pick(entry.id);
    const { element } = this.#slots.get(entry.id) ?? {};
    if (element) this.#toMiddle(element);
  }

  /** The first mark in an element, or else the element, to the middle. @param {HTMLElement} element */
  #toMiddle(element) {
    const [mark] = marksIn(element, this.#sought);
    const { top, bottom } = (mark ?? element).getBoundingClientRect();
    const view = this.#scroller.getBoundingClientRect();
    this.#scroller.scrollTop += (top + bottom - view.top - view.bottom) / 2;
  }

  update() {
    const session = this.#session;
    if (!session) return;
    const { state } = session;
    const came = (state.past ?? 0) - this.#past; // before what stood first
    this.#past += came;
    this.#first += came;
    if (this.#last !== null) this.#last += came;
    const end = this.#settleWindow(state.entries.length);
    /** @type {HTMLElement[]} */
    const order = [];
    /** @type {{participant: string, at: number} | null} */
    let before = null;
    let day = '';
    for (let i = this.#first; i < end; i++) {
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
    if (this.#last === null) this.#drawUnfinished(session, order, before);
    this.#arrange(order);
    this.#empty.update(state, ['opening', 'listening', 'reconnecting'].includes(this.controller.state.mic));
    this.#announcer.update(state);
    light(this.#list, this.#sought);
    showReplaying(this.#list, state.replaying);
    if (this.#sticks) this.#toBottom();
  }

  /**
   * Where the window ends; at the newest entry it slides along.
   * @param {number} count
   */
  #settleWindow(count) {
    if (this.#last !== null && this.#last >= count) this.#last = null;
    if (this.#last === null && this.#sticks) this.#first = Math.max(0, count - WINDOW);
    return this.#last ?? count;
  }

  /**
   * @param {TalkSession} session
   * @param {HTMLElement[]} order
   * @param {{participant: string, at: number} | null} before
   */
  #drawUnfinished(session, order, before) {
    const { state } = session;
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
  }

  /** @param {TalkState} state @param {Entry} entry @param {boolean} sameSpeaker */
  #entry(state, entry, sameSpeaker) {
    if (entry.kind === 'note') {
      return this.#slot(entry.id, [entry], (element) => drawNote(element, entry));
    }
    const who = speaker(entry);
    const copy = () => void this.controller.copy(entry.text);
    if (entry.kind === 'reply') {
      const playing = state.playing?.replyId === entry.id ? state.playing.clause : null;
      return this.#slot(entry.id, [entry, playing], (element) =>
        drawReply(element, entry, { ...this.#frame(state, who, false), playing }, {
          copy,
          replay: () => this.#session?.replay(entry),
        }),
      );
    }
    const editable = who === state.me && state.role !== 'listener';
    return this.#slot(entry.id, [entry, sameSpeaker], (element) =>
      drawUtterance(element, entry, this.#frame(state, who, sameSpeaker), {
        copy,
        hear: () => this.#session?.hear(entry),
        edit: editable ? () => this.#edit(entry) : null,
      }),
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
      if (key === this.#picked) this.#dressPicked(slot.element, true);
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
      if (key === this.#editing) this.#editing = null;
    }
    let at = this.#list.firstElementChild;
    for (const element of order) {
      if (element === at) at = at.nextElementSibling;
      else this.#list.insertBefore(element, at);
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
      this.focus();
    });
  }

  // --- one entry at hand ---

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === 'Enter' && event.target === this.#scroller) this.#hearPicked();
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step || event.target !== this.#scroller) return;
    const all = [...this.#list.querySelectorAll('.entry:not(.note, .pending)')];
    const now = all.findIndex((element) => element.classList.contains('picked'));
    const next = all[now < 0 ? all.length - 1 : now + step];
    if (!(next instanceof HTMLElement)) return;
    event.preventDefault();
    this.#pick(next.dataset.id ?? null);
    next.scrollIntoView({ block: 'nearest' });
    const entry = this.#session?.state.entries.find(({ id }) => id === next.dataset.id);
    if (entry) this.#announcer.tell(entry);
  }

  #hearPicked() {
    const button = this.#list.querySelector('.picked :is([data-testid=play], [data-testid=replay])');
    if (button instanceof HTMLElement) button.click();
  }

  /** @param {MouseEvent} event */
  #clicked({ target }) {
    if (!(target instanceof Element) || target.closest('button, a, summary, form')) return;
    if (getSelection()?.toString()) return; // reading, not picking
    const entry = target.closest('.entry');
    const id = entry instanceof HTMLElement ? (entry.dataset.id ?? null) : null;
    this.#pick(id === this.#picked ? null : id);
  }

  /** @param {string | null} id */
  #pick(id) {
    for (const [key, on] of [[this.#picked, false], [id, true]]) {
      const slot = this.#slots.get(String(key));
      if (slot) this.#dressPicked(slot.element, on === true);
    }
    this.#picked = id;
  }

  /** @param {HTMLElement} element @param {boolean} on */
  #dressPicked(element, on) {
    element.classList.toggle('picked', on);
    for (const button of element.querySelectorAll('.tools button')) {
      button.setAttribute('tabindex', on ? '0' : '-1');
    }
  }

  // --- the window ---

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const below = scrollHeight - scrollTop - clientHeight;
    this.#sticks = this.#last === null && below < NEAR_PX;
    this.#latest.hidden = this.#sticks;
    const count = this.#session?.state.entries.length ?? 0;
    if (scrollTop < AHEAD_PX && this.#first > 0 && !this.#sticks) {
      this.#first = Math.max(0, this.#first - STEP);
      this.#last = Math.min(this.#last ?? count, this.#first + MOST);
      this.#redrawInPlace();
    } else if (below < AHEAD_PX && this.#last !== null) {
      this.#last = this.#last + STEP < count ? this.#last + STEP : null;
      this.#first = Math.max(this.#first, (this.#last ?? count) - MOST);
      this.#redrawInPlace();
    }
  }

  /** What the reader looks at stays where it is. */
  #redrawInPlace() {
    const { top } = this.#scroller.getBoundingClientRect();
    const seen = [...this.#list.children].find((e) => e.getBoundingClientRect().bottom > top);
    const before = seen?.getBoundingClientRect().top ?? 0;
    this.update();
    if (seen?.isConnected) this.#scroller.scrollTop += seen.getBoundingClientRect().top - before;
  }

  #toLatest() {
    this.#last = null;
    this.#sticks = true;
    this.#latest.hidden = true;
    this.update();
  }

  #toBottom() {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: 'instant' });
  }
}
