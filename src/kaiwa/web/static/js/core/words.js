/** Where the words of an utterance are in time. Pure. */

/** @import {TimedWord} from '../types.js' */

/**
 * The word that is being said, as its place in the joined text (UTF-16).
 * @param {TimedWord[]} words
 * @param {number} ms from the beginning of the utterance
 * @returns {{from: number, to: number} | null} null before the first
 */
export function wordAt(words, ms) {
  let from = 0;
  let found = null;
  for (const [text, start] of words) {
    if (start > ms) break;
    found = { from, to: from + text.length };
    from += text.length;
  }
  return found;
}

/** The words, if they are those of the text. @param {string} text @param {TimedWord[]} words */
export function wordsOf(text, words) {
  return words.map(([word]) => word).join('') === text ? words : [];
}
