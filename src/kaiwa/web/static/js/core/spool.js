/**
 * What the microphone gave and the server has not yet stored. The recording flows in at one end
 * and is never held up; each connection reads it as a stream of its own from any place still kept.
 * A place is a count of bytes since the recording began.
 */

/** @import {Bytes} from '../types.js' */

export class Spool {
  /** @type {Bytes[]} */
  #blocks = [];
  #start = 0;
  #end = 0;
  #closed = false;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {number} limit bytes kept at most; then the oldest go, and `lost` counts them
   * @param {number} [start] the place of the first byte, if what came before is gone
   */
  constructor(limit, start = 0) {
    this.limit = limit;
    this.lost = 0;
    this.#start = start;
    this.#end = start;
  }

  /** The first byte that is still here. */
  get start() {
    return this.#start;
  }

  /** Where the recording has got to. */
  get end() {
    return this.#end;
  }

  get closed() {
    return this.#closed;
  }

  /** @param {Bytes} block */
  push(block) {
    if (this.#closed || block.length === 0) return;
    this.#blocks.push(block);
    this.#end += block.length;
    while (this.#end - this.#start > this.limit && this.#blocks.length > 1) {
      this.lost += this.#dropFirst();
    }
    this.#wake();
  }

  close() {
    this.#closed = true;
    this.#wake();
  }

  /** @param {number} upTo everything before this place is stored and may go */
  release(upTo) {
    while (this.#blocks.length && this.#start + this.#blocks[0].length <= upTo) this.#dropFirst();
  }

  /** @param {number} at @returns {Bytes | null} from that place to the end of its block */
  at(at) {
    let start = this.#start;
    for (const block of this.#blocks) {
      if (at < start + block.length) return at > start ? block.slice(at - start) : block;
      start += block.length;
    }
    return null;
  }

  /**
   * The recording from `from` on, as it grows, until it is closed. Errors if that place is gone.
   * @param {number} from
   * @param {{forget?: boolean}} [options] forget: what has been read need not be kept
   * @returns {ReadableStream<Bytes>}
   */
  read(from, { forget = false } = {}) {
    let at = from;
    let cancelled = false;
    return new ReadableStream(
      {
        pull: async (controller) => {
          while (!cancelled) {
            if (at < this.#start) throw new RangeError('this part of the recording is gone');
            const block = this.at(at);
            if (block) {
              at += block.length;
              if (forget) this.release(at);
              controller.enqueue(block);
              return;
            }
            if (this.#closed) {
              controller.close();
              return;
            }
            await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
          }
        },
        cancel: () => {
          cancelled = true;
          this.#wake();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * @param {(at: number, block: Bytes) => void} onBlock told of each block and its place
   * @returns {WritableStream<Bytes>}
   */
  writable(onBlock) {
    return new WritableStream({
      write: (block) => {
        onBlock(this.#end, block);
        this.push(block);
      },
      close: () => this.close(),
      abort: () => this.close(),
    });
  }

  #dropFirst() {
    const size = this.#blocks.shift()?.length ?? 0;
    this.#start += size;
    return size;
  }

  #wake() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
