/** What was said, for a screen reader. */

/** @import {Entry, TalkState} from '../types.js' */
import { h } from '../dom.js';
import { spokenForm } from './entries.js';

const KEPT = 5; // lines, for a reader that lags

export class Announcer {
  element = h('div', { class: 'visually-hidden', 'aria-live': 'polite', 'data-testid': 'announcer' });
  #told = 0;
  /** Replies that were being made: what is said meanwhile does not make them old. */
  #going = new Set();

  /** Another talk is open. */
  reset() {
    this.#told = 0;
    this.#going.clear();
    this.element.replaceChildren();
  }

  /** Finished words only, and only new ones. @param {TalkState} state */
  update(state) {
    if (!state.ready) {
      this.#told = state.cursor;
      return;
    }
    for (const entry of state.entries.slice(-KEPT)) {
      if (entry.kind === 'reply' && entry.status === 'going') {
        this.#going.add(entry.id);
        continue;
      }
      const waited = this.#going.delete(entry.id);
      if (entry.seq <= this.#told && !waited) continue;
      this.#told = Math.max(this.#told, entry.seq);
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
