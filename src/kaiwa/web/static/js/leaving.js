/** Talks that are being deleted: a while in which it can be taken back, then the deed. */

/** @import {Api} from './api.js' */

export const UNDO_MS = 20_000; // by keyboard and by ear, too

export class Leaving {
  /** @type {Map<string, () => void>} how to delete each at once */
  #talks = new Map();

  /** @param {Api} api @param {(error: unknown) => void} onFailed */
  constructor(api, onFailed) {
    this.api = api;
    this.onFailed = onFailed;
    addEventListener('pagehide', () => this.#talks.forEach((now) => now()));
  }

  /** @param {string} talk */
  has(talk) {
    return this.#talks.has(talk);
  }

  /** @param {string} talk @returns {() => void} takes it back */
  begin(talk) {
    const now = () => {
      clearTimeout(timer);
      if (this.#talks.delete(talk)) this.api.deleteTalk(talk).catch(this.onFailed);
    };
    const timer = setTimeout(now, UNDO_MS);
    this.#talks.set(talk, now);
    return () => {
      clearTimeout(timer);
      this.#talks.delete(talk);
    };
  }
}
