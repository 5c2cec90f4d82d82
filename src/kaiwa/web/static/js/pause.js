/**
 * Waits; a network that comes back ends the wait, and so does `signal`.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms * (0.75 + Math.random() / 2));
    if (signal.aborted) done();
    signal.addEventListener('abort', done);
    addEventListener('online', done);
  });
}
