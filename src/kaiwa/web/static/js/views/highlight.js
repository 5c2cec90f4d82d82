/** Marks what is sought in the transcript, without touching its elements. */

import { places } from '../core/search.js';

/** @param {HTMLElement} list @param {string} sought folded; empty: nothing is */
export function light(list, sought) {
  if (!('highlights' in CSS)) return;
  CSS.highlights.delete('sought');
  if (sought) CSS.highlights.set('sought', new Highlight(...marksIn(list, sought)));
}

/**
 * Where the sought text stands, in the order of the document.
 * @param {HTMLElement} element
 * @param {string} sought
 */
export function marksIn(element, sought) {
  /** @type {Range[]} */
  const marks = [];
  for (const words of sought ? element.querySelectorAll('.words') : []) {
    const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (const at of places(node.nodeValue ?? '', sought)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + sought.length);
        marks.push(range);
      }
    }
  }
  return marks;
}
