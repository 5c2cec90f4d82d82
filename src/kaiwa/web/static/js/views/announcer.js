/** What was said, for a screen reader. */

/** @import {Entry, TalkState} from '../types.js' */
import { h } from '../dom.js';
import { spokenForm } from './entries.js';

const KEPT = 5; // lines, for a reader that lags

export class Announcer {
  element = h('div', { class: 'visually-hidden', 'aria-live': 'polite', 'data-testid': 'announcer' });
  #told = 0;

  /** Another talk is open. */
  reset() {
    this.#told = 0;
    this.element.replaceChildren();
  }

  /** Finished words only, and only new ones. @param {TalkState} state */
  update(state) {
    if (!state.ready) {
      this.#told = state.cursor;
      return;
    }
    for (const entry of state.entries.slice(-KEPT)) {
      const finished = entry.kind === 'reply' ? entry.status !== 'going' : true;
      if (!finished || entry.seq <= this.#told) continue;
      this.#told = entry.seq;
      this.tell(entry);
    }
  }

  /** @param {Entry} entry */
  tell(entry) {
    const words = spokenForm(entry);
    if (!words) return;
    this.element.append(h('p', {}, words));
    while (this.element.children.length > KEPT) this.element.firstElementChild?.remove();
  }
}
