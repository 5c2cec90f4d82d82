/** Shows which recording is being heard, without touching what is written. */

/** @import {Replaying} from '../types.js' */
import { icon } from '../dom.js';

/** @param {HTMLElement} list of entries @param {Replaying} replaying */
export function showReplaying(list, replaying) {
  for (const button of list.querySelectorAll('[data-testid=play]')) {
    const entry = /** @type {HTMLElement} */ (button.closest('.entry'));
    const on = String(entry.dataset.id === replaying?.id);
    if (button.getAttribute('aria-pressed') === on) continue;
    button.setAttribute('aria-pressed', on);
    button.replaceChildren(icon(on === 'true' ? 'stop' : 'play'));
  }
  if (!('highlights' in CSS)) return;
  CSS.highlights.delete('said');
  const { id = '', word = null } = replaying ?? {};
  const text = word && list.querySelector(`[data-id="${CSS.escape(id)}"] .words`)?.firstChild;
  if (!word || !text || (text.nodeValue ?? '').length < word.to) return;
  const range = new Range();
  range.setStart(text, word.from);
  range.setEnd(text, word.to);
  CSS.highlights.set('said', new Highlight(range));
}
