/** The bar that finds words in the open talk. */

/** @import {Controller} from '../controller.js' */
/** @import {TranscriptView} from './transcript.js' */
import { find } from '../core/search.js';
import { composing, h, icon } from '../dom.js';
import { t } from '../i18n.js';

export class SearchBar {
  #input = h('input', {
    type: 'search',
    'aria-label': t('search.label'),
    placeholder: t('talk.search'),
    maxlength: 200,
    'data-testid': 'search-input',
    oninput: () => this.#seek(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (composing(event)) return;
      if (event.key === 'Escape') this.close();
      if (event.key === 'Enter') this.#go(event.shiftKey ? 1 : -1);
    },
  });
  #count = h('output', { class: 'search-count', 'data-testid': 'search-count' });
  element = h(
    'search',
    { class: 'search-bar', hidden: true },
    icon('search'),
    this.#input,
    this.#count,
    this.#button('search.before', 'up', () => this.#go(-1)),
    this.#button('search.next', 'down', () => this.#go(1)),
    this.#button('search.close', 'close', () => this.close()),
  );
  /** @type {number[]} indices of entries */
  #found = [];
  #at = 0;
  /** @type {number | null} */
  #past = null;

  /** @param {Controller} controller @param {TranscriptView} transcript */
  constructor(controller, transcript) {
    this.controller = controller;
    this.transcript = transcript;
  }

  open() {
    this.element.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  /** The beginning of a long talk comes last; it is searched, too. */
  update() {
    const past = this.controller.session?.state.past ?? null;
    if (past === this.#past) return;
    this.#past = past;
    if (this.#input.value.trim()) this.#seek();
  }

  close() {
    if (this.element.contains(document.activeElement)) this.transcript.focus();
    this.element.hidden = true;
    this.#input.value = '';
    this.#count.textContent = '';
    this.transcript.seek('');
  }

  /** The newest first: what one looks for was mostly said just now. */
  #seek() {
    const text = this.#input.value.trim();
    this.#found = find(this.controller.session?.state.entries ?? [], text);
    this.#at = this.#found.length - 1;
    this.transcript.seek(text);
    this.#show();
  }

  /** @param {number} step */
  #go(step) {
    const n = this.#found.length;
    if (!n) return;
    this.#at = (this.#at + step + n) % n;
    this.#show();
  }

  #show() {
    const n = this.#found.length;
    this.#count.textContent = !this.#input.value.trim()
      ? ''
      : n
        ? t('search.count', { i: String(this.#at + 1), n: String(n) })
        : t('search.none');
    if (n) this.transcript.reveal(this.#found[this.#at]);
  }

  /** @param {'search.before' | 'search.next' | 'search.close'} label @param {string} name @param {() => void} act */
  #button(label, name, act) {
    return h(
      'button',
      { class: 'plain round', type: 'button', 'aria-label': t(label), title: t(label), onclick: act },
      icon(name),
    );
  }
}
