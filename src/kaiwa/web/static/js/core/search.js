/** Finding words in what was said: case, width and kana do not matter. Pure. */

/** @import {Entry} from '../types.js' */

/**
 * The text as it is compared, sign for sign: what is found in it stands at the same place there.
 * @param {string} text
 */
export function folded(text) {
  let out = '';
  for (const sign of text) {
    const plain = sign.normalize('NFKC').toLowerCase().replace(/[\u30a1-\u30f6]/g, hiragana);
    out += plain.length === sign.length ? plain : sign;
  }
  return out;
}

/** @param {string} katakana */
function hiragana(katakana) {
  return String.fromCharCode(katakana.charCodeAt(0) - 0x60);
}

/**
 * @param {Entry[]} entries
 * @param {string} text
 * @returns {number[]} the indices of the entries that contain it
 */
export function find(entries, text) {
  const wanted = folded(text);
  if (!wanted) return [];
  return entries.flatMap((entry, i) =>
    entry.kind !== 'note' && folded(entry.text).includes(wanted) ? [i] : [],
  );
}

/**
 * Where the text stands in another.
 * @param {string} text
 * @param {string} wanted already folded
 * @returns {number[]}
 */
export function places(text, wanted) {
  const where = folded(text);
  const found = [];
  for (let at = where.indexOf(wanted); wanted && at >= 0; at = where.indexOf(wanted, at + wanted.length)) {
    found.push(at);
  }
  return found;
}
