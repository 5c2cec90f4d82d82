/**
 * What the tabs of one browser have in common, for one signed-in person: a channel, locks, and one
 * tab that leads. Locks end with their tab, however it ends, so nobody has to be missed.
 *
 * Without Web Locks (an insecure origin) every tab is alone, and leads itself.
 */

/** @import {TabMessage} from './types.js' */

export class Tabs {
  /** @type {Set<(message: TabMessage) => void>} */
  #listeners = new Set();
  /** @type {BroadcastChannel | null} */
  #channel;
  #prefix;
  #locks = navigator.locks ?? null;

  /** @param {string} user */
  constructor(user) {
    this.#prefix = `kaiwa.${user}.`;
    this.#channel = this.#locks && new BroadcastChannel(`kaiwa.${user}`);
    this.#channel?.addEventListener('message', ({ data }) => this.#deliver(data));
  }

  /** To every tab, this one included. @param {TabMessage} message */
  tell(message) {
    this.#channel?.postMessage(message);
    this.#deliver(message);
  }

  /** @param {TabMessage} message */
  #deliver(message) {
    for (const listener of this.#listeners) listener(message);
  }

  /** @param {(message: TabMessage) => void} listener @returns {() => void} stops it */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.#listeners.clear();
    this.#channel?.close();
    this.#channel = null; // what still ends has nobody to tell
  }

  /**
   * Holds a lock until `signal` aborts, or another tab takes it; resolves when it is over.
   *
   * @param {string} name
   * @param {AbortSignal} signal
   * @param {{mode?: LockMode, steal?: boolean, onHeld?: () => void}} [how]
   */
  async hold(name, signal, { mode = 'exclusive', steal = false, onHeld = () => {} } = {}) {
    /** @type {Promise<void>} */
    const over = new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
    });
    if (!this.#locks) {
      onHeld();
      return over;
    }
    const held = () => {
      if (signal.aborted) return;
      onHeld();
      return over;
    };
    // A lock may be stolen, or waited for, but not both.
    const options = steal ? { mode, steal } : { mode, signal };
    await this.#locks.request(this.#prefix + name, options, held).catch(() => {});
  }

  /**
   * What stands behind `prefix` in the names of the locks that any tab holds.
   * @param {string} prefix
   * @returns {Promise<Set<string> | null>} null: there are no locks here
   */
  async held(prefix) {
    if (!this.#locks) return null;
    const { held = [] } = await this.#locks.query();
    const whole = this.#prefix + prefix;
    const names = held.map(({ name }) => name ?? '').filter((name) => name.startsWith(whole));
    return new Set(names.map((name) => name.slice(whole.length)));
  }

  get shown() {
    return document.visibilityState === 'visible';
  }
}
