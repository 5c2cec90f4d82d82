/** When the agent's voice gives way to somebody who may be about to speak. Pure: time is passed in. */

const LEAST_DB = -45; // of full scale: what a close voice is above
const OVER_DB = 12; // above what the room sounds like, the rest of the agent's own voice included
const ONSET_MS = 60; // of voice: shorter is a click
const GAP_MS = 60; // inside an onset
const RELEASE_MS = 900; // after the last voice; by then the server has decided
const ROOM = 0.05; // how fast the room's level is learned

export class Ducking {
  #room = -70;
  /** When the voice that is going on began. @type {number | null} */
  #began = null;
  #last = -Infinity;
  ducked = false;

  /**
   * @param {number} db the microphone's level, RMS of full scale
   * @param {number} now in ms
   * @param {boolean} sounding whether a reply is being heard
   * @returns {boolean} whether the reply is to be quiet
   */
  step(db, now, sounding) {
    const voiced = db > Math.max(LEAST_DB, this.#room + OVER_DB);
    if (voiced) {
      this.#began ??= now;
      this.#last = now;
    } else {
      this.#room += (db - this.#room) * ROOM;
      if (now - this.#last > GAP_MS) this.#began = null;
    }
    if (!sounding) this.ducked = false;
    else if (this.#began !== null && this.#last - this.#began >= ONSET_MS) this.ducked = true;
    else if (now - this.#last > RELEASE_MS) this.ducked = false;
    return this.ducked;
  }
}
