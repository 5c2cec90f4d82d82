/** Tells the server what this device has played: the newest report only, one at a time. */

/** @import {Api} from '../api.js' */
import { mintId } from '../core/ids.js';

const KEY = 'kaiwa.listener';

/** This device's id as a listener; kept, so that a reload is the same listener. */
export function listenerId() {
  try {
    const known = localStorage.getItem(KEY);
    if (known) return known;
    const fresh = mintId();
    localStorage.setItem(KEY, fresh);
    return fresh;
  } catch {
    return mintId(); // storage is off: a listener for this page alone
  }
}

export class HeardReporter {
  #listener = listenerId();
  #busy = false;
  /** @type {{reply_id: string, clause: number, ms: number} | null} */
  #next = null;

  /** @param {Api} api @param {string} talkId */
  constructor(api, talkId) {
    this.api = api;
    this.talkId = talkId;
  }

  /** @param {string} replyId @param {number} clause @param {number} ms into the clause's clip */
  report(replyId, clause, ms) {
    this.#next = { reply_id: replyId, clause, ms: Math.max(0, Math.round(ms)) };
    if (!this.#busy) void this.#send();
  }

  async #send() {
    this.#busy = true;
    for (let report = this.#next; report; report = this.#next) {
      this.#next = null;
      // A lost report is made good by the next one: each says everything.
      await this.api.heard(this.talkId, { listener: this.#listener, ...report }).catch(() => {});
    }
    this.#busy = false;
  }
}
