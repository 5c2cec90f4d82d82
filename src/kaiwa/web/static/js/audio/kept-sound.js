/**
 * What the microphone gave and the server has not stored, kept in IndexedDB beside the spool: it
 * outlives the page. A capture belongs to the tab that holds its lock; one without a tab is left
 * over, and the next page of the same person sends it.
 *
 * A browser that refuses storage loses only this safety net: every call then does nothing.
 */

/** @import {Bytes} from '../types.js' */
import { joined } from '../core/pcm.js';

/** @typedef {{key: string, user: string, talk: string, capture: string, base: number}} Kept
 *   `capture` began at byte `base` of what was recorded under `key` */

const NAME = 'kaiwa';
const BATCH_MS = 200; // what a crash may cost

/** @type {Promise<IDBDatabase | null> | null} */
let database = null;

/** @returns {Promise<IDBDatabase | null>} */
function open() {
  database ??= new Promise((resolve) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('captures', { keyPath: 'key' });
      request.result.createObjectStore('blocks');
    };
    request.onsuccess = () => {
      // A phone closes it while the page is out of sight.
      request.result.onclose = () => {
        database = null;
      };
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
  });
  return database;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(captures: IDBObjectStore, blocks: IDBObjectStore) => IDBRequest<T> | void} work
 * @returns {Promise<T | null>} null if there was nothing to get, or no storage
 */
async function transact(mode, work) {
  const db = await open().catch(() => null);
  if (!db) return null;
  return new Promise((resolve) => {
    try {
      const transaction = db.transaction(['captures', 'blocks'], mode, { durability: 'relaxed' });
      const request = work(transaction.objectStore('captures'), transaction.objectStore('blocks'));
      transaction.oncomplete = () => resolve(request ? request.result : null);
      transaction.onabort = () => resolve(null); // the disk is full, or the database is going
    } catch {
      resolve(null);
    }
  });
}

/** A capture's blocks that begin before a place. @param {string} key @param {number} to */
function blocksOf(key, to = Infinity) {
  return IDBKeyRange.bound([key, 0], [key, to], false, true);
}

export class KeptSound {
  /** @type {{at: number, block: Bytes}[]} in order, not yet written */
  #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {number[]} where the written blocks begin */
  #starts = [];
  #over = false;
  #unlock = () => {};

  /** @param {Kept} record */
  constructor(record) {
    this.record = record;
    /** @type {Promise<void>} */
    const unlocked = new Promise((resolve) => {
      this.#unlock = resolve;
    });
    void navigator.locks?.request(lockName(record.key), () => unlocked);
    void transact('readwrite', (captures) => captures.put(record));
  }

  /** @param {number} at in bytes since the recording began @param {Bytes} block */
  push(at, block) {
    if (this.#over) return;
    this.#waiting.push({ at, block });
    this.#timer ??= setTimeout(() => this.#write(), BATCH_MS);
  }

  /** The recording goes on under another capture id. @param {string} capture @param {number} base */
  rename(capture, base) {
    this.record = { ...this.record, capture, base };
    void transact('readwrite', (captures) => captures.put(this.record));
  }

  /** @param {number} upTo everything before this byte is stored elsewhere, and may go */
  release(upTo) {
    // The last block that begins before it may reach beyond it.
    const first = this.#starts.filter((start) => start <= upTo).at(-1);
    if (first === undefined || first === this.#starts[0]) return;
    this.#starts = this.#starts.filter((start) => start >= first);
    const { key } = this.record;
    void transact('readwrite', (_, blocks) => void blocks.delete(blocksOf(key, first)));
  }

  /** It is given up here; the same person's next sign-in sends it. */
  leave() {
    this.#end();
    this.#write();
    this.#unlock();
  }

  /** All of it is stored elsewhere. */
  async forget() {
    this.#end();
    await forgetKept(this.record.key);
    this.#unlock();
  }

  #end() {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #write() {
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (!first) return;
    const sound = joined(this.#waiting.splice(0).map(({ block }) => block));
    this.#starts.push(first.at);
    const { key } = this.record;
    void transact('readwrite', (_, blocks) => void blocks.put(sound, [key, first.at]));
  }
}

/**
 * What pages of this person left behind, each given to one tab only.
 * @param {string} user
 * @param {(kept: Kept, sound: Bytes, start: number) => Promise<boolean>} send `sound` begins at
 *   byte `start` of the recording; true: it may be forgotten
 */
export async function sendLeftOvers(user, send) {
  if (!navigator.locks) return;
  const records = (await transact('readonly', (captures) => captures.getAll())) ?? [];
  for (const record of /** @type {Kept[]} */ (records)) {
    if (record.user !== user) continue;
    await navigator.locks.request(lockName(record.key), { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      const mine = blocksOf(record.key);
      const keys = await transact('readonly', (_, blocks) => blocks.getAllKeys(mine));
      const sound = await transact('readonly', (_, blocks) => blocks.getAll(mine));
      if (!keys || !sound) return; // the disk does not give it now
      const starts = /** @type {[string, number][]} */ (keys).map(([, start]) => start);
      if (!starts.length || (await send(record, inPlace(starts, sound), starts[0]))) {
        await forgetKept(record.key);
      }
    });
  }
}

/**
 * Blocks one after the other, with silence for those that a full disk did not take.
 * @param {number[]} starts @param {Bytes[]} blocks
 */
function inPlace(starts, blocks) {
  let end = starts[0];
  return joined(
    blocks.flatMap((block, i) => {
      const missing = new Uint8Array(Math.max(0, starts[i] - end));
      end = starts[i] + block.length;
      return [missing, block];
    }),
  );
}

/** @param {string} key */
function forgetKept(key) {
  return transact('readwrite', (captures, blocks) => {
    captures.delete(key);
    blocks.delete(blocksOf(key));
  });
}

/** @param {string} key */
function lockName(key) {
  return `kaiwa.capture.${key}`;
}
