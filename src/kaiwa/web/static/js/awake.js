/** The screen stays on while somebody speaks or listens: a phone that sleeps closes its microphone. */

/** @type {Promise<WakeLockSentinel | null>} */
let lock = Promise.resolve(null);
let wanted = false;

/** @param {boolean} on */
export function stayAwake(on) {
  if (on === wanted) return;
  wanted = on;
  settle();
}

/** One after the other; a browser takes the lock back whenever the page is out of sight. */
function settle() {
  lock = lock.then(async (held) => {
    if (!wanted) await held?.release();
    if (!wanted || document.hidden || held?.released === false) return wanted ? held : null;
    // An insecure origin has none; a low battery refuses.
    return (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
  });
}

document.addEventListener('visibilitychange', settle);
