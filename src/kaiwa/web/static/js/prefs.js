/** What this browser's reader likes: kept here, shared by its tabs, unknown to the server. */

/** @import {Preferences} from './types.js' */

const KEY = 'kaiwa.preferences';

/** @type {Preferences} */
const USUAL = {
  theme: 'system',
  text: 'normal',
  microphone: '',
  volume: 1,
};

/** @type {Preferences} */
let current = read();
/** @type {Set<() => void>} */
const watchers = new Set();

export function preferences() {
  return current;
}

/** @param {Partial<Preferences>} change */
export function prefer(change) {
  current = { ...current, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  apply();
}

/** @param {() => void} watcher called when another tab, too, changed something */
export function watchPreferences(watcher) {
  watchers.add(watcher);
  watcher();
}

function apply() {
  const root = document.documentElement.dataset;
  root.theme = current.theme;
  root.text = current.text;
  for (const watcher of watchers) watcher();
}

/** @returns {Preferences} */
function read() {
  try {
    return { ...USUAL, ...JSON.parse(localStorage.getItem(KEY) ?? '{}') };
  } catch {
    return USUAL;
  }
}

addEventListener('storage', ({ key }) => {
  if (key !== KEY) return;
  current = read();
  apply();
});
apply();
