/** A state, changed only by its reducer, and those who watch it. */

/** @template S, A */
export class Store {
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /** @param {(state: S, action: A) => S} reduce @param {S} state */
  constructor(reduce, state) {
    this.reduce = reduce;
    this.state = state;
  }

  /** @param {A} action */
  dispatch(action) {
    const next = this.reduce(this.state, action);
    if (next === this.state) return;
    this.state = next;
    for (const watcher of this.#watchers) watcher();
  }

  /** @param {() => void} watcher @returns {() => void} stops it */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
