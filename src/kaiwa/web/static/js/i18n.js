/** Every word the page says: `strings.json` has them all, Japanese first, then English. */

import TABLE from './strings.json' with { type: 'json' };

/** @typedef {keyof typeof TABLE} MessageKey */
/** @typedef {'ja' | 'en'} Locale */

const KEY = 'kaiwa.locale';

/** @type {Locale} */
let current = read() ?? (navigator.language.toLowerCase().startsWith('ja') ? 'ja' : 'en');

/** @returns {Locale} */
export function locale() {
  return current;
}

/** @param {Locale} next */
export function setLocale(next) {
  current = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

/** @returns {Locale | null} */
function read() {
  try {
    const known = localStorage.getItem(KEY);
    return known === 'ja' || known === 'en' ? known : null;
  } catch {
    return null;
  }
}

/** @param {MessageKey} key @param {Record<string, string>} [values] for `{name}` in the message */
export function t(key, values) {
  const text = TABLE[key][current === 'ja' ? 0 : 1];
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '') : text;
}

/**
 * What it is called: else by what was said first.
 * @param {{title: string, first_words?: string}} talk
 */
export function titleOf({ title, first_words }) {
  return title || first_words || t('talk.untitled');
}

/** @param {string} key @returns {key is MessageKey} */
export function hasMessage(key) {
  return Object.hasOwn(TABLE, key);
}

/** The keys and their texts, for tests. */
export const MESSAGES = TABLE;

/** The page's language as its reader's own country writes it. */
function region() {
  return navigator.languages.find((tag) => tag.startsWith(current)) ?? current;
}

/** @param {string} iso time with its zone */
export function clockTime(iso) {
  return new Intl.DateTimeFormat(region(), { timeStyle: 'short' }).format(new Date(iso));
}

/** @param {string} iso */
export function dayName(iso) {
  /** @type {Intl.DateTimeFormatOptions} */
  const how = { month: 'long', day: 'numeric', weekday: 'short' };
  const date = new Date(iso);
  if (date.getFullYear() !== new Date().getFullYear()) how.year = 'numeric';
  return new Intl.DateTimeFormat(region(), how).format(date);
}

/** Today the hour, else the day. @param {string} iso */
export function shortWhen(iso) {
  const date = new Date(iso);
  return date.toDateString() === new Date().toDateString()
    ? clockTime(iso)
    : new Intl.DateTimeFormat(region(), { month: 'short', day: 'numeric' }).format(date);
}

/** Decimal, as disks are sold. @param {number} count */
export function bytes(count) {
  const [unit, size] = count < 1e9 ? ['megabyte', 1e6] : ['gigabyte', 1e9];
  const number = new Intl.NumberFormat(current, { style: 'unit', unit, maximumFractionDigits: count < 1e7 ? 1 : count < 1e9 ? 0 : 2 });
  return number.format(count / size);
}

/** @param {string} code ISO 639-1 */
export function languageName(code) {
  try {
    return new Intl.DisplayNames([current], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
