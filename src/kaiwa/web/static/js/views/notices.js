/** Messages that pass by, such as "no microphone was found". */

/** @import {Notice} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { h, icon } from '../dom.js';
import { t } from '../i18n.js';
import { UNDO_MS } from '../leaving.js';

const INFO_MS = 6000;

export class NoticesView {
  element = h('div', { class: 'notices', role: 'region', 'aria-label': t('notice.region'), 'aria-live': 'polite' });
  /** @type {Map<number, HTMLElement>} */
  #shown = new Map();

  /** @param {Controller} controller */
  constructor(controller) {
    this.controller = controller;
  }

  update() {
    const { notices } = this.controller.state;
    for (const [id, element] of this.#shown) {
      if (notices.some((n) => n.id === id)) continue;
      if (element.contains(document.activeElement)) document.querySelector('main')?.focus();
      element.remove();
      this.#shown.delete(id);
    }
    for (const notice of notices) {
      if (this.#shown.has(notice.id)) continue;
      const element = this.#card(notice);
      this.#shown.set(notice.id, element);
      this.element.append(element);
      const lost = document.activeElement === document.body; // what it was on is gone
      const byKeyboard = document.querySelector(':focus-visible'); // or soon will be
      if (notice.undo && (lost || byKeyboard)) element.querySelector('button')?.focus();
      if (notice.level === 'info') setTimeout(() => this.#close(notice), notice.undo ? UNDO_MS : INFO_MS);
    }
  }

  /** @param {Notice} notice */
  #card(notice) {
    return h(
      'div',
      { class: `notice ${notice.level}`, 'data-testid': 'notice', 'data-code': notice.code },
      icon(notice.level === 'error' ? 'alert' : 'info'),
      h('p', {}, notice.text),
      notice.undo &&
        h(
          'button',
          {
            class: 'link',
            type: 'button',
            'data-testid': 'undo',
            onclick: () => {
              notice.undo?.();
              this.#close(notice);
            },
          },
          t('notice.undo'),
        ),
      h(
        'button',
        {
          class: 'plain round',
          type: 'button',
          'aria-label': t('notice.close'),
          onclick: () => this.#close(notice),
        },
        icon('close'),
      ),
    );
  }

  /** @param {Notice} notice */
  #close(notice) {
    this.controller.store.dispatch({ type: 'notice.closed', id: notice.id });
  }
}
