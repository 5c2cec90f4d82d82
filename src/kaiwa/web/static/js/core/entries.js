/** A talk's entries, in the order of seq: found, changed, kept. Pure. */

/** @import {Entry, TalkState} from '../types.js' */
import { AGENT } from './protocol.js';

const FOLLOWS_MS = 120_000; // within this time the same speaker's name is not repeated

/**
 * From the end, where nearly all that is looked for stands.
 * @template {Entry['kind']} K
 * @param {Entry[]} entries
 * @param {K} kind
 * @param {string} id
 * @returns {Extract<Entry, {kind: K}> | null}
 */
export function findEntry(entries, kind, id) {
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    if (entry.kind === kind && entry.id === id) {
      return /** @type {Extract<Entry, {kind: K}>} */ (entry);
    }
  }
  return null;
}

/**
 * @template {Entry['kind']} K
 * @param {TalkState} state
 * @param {K} kind
 * @param {string} id
 * @param {(entry: Extract<Entry, {kind: K}>) => Extract<Entry, {kind: K}>} changed
 * @returns {TalkState}
 */
export function change(state, kind, id, changed) {
  const entry = findEntry(state.entries, kind, id);
  if (!entry) return state;
  const next = changed(entry);
  if (next === entry) return state;
  const entries = state.entries.slice();
  entries[entries.lastIndexOf(entry)] = next;
  return { ...state, entries };
}

/**
 * Like filter, but the same array if all stay.
 * @template T
 * @param {T[]} list
 * @param {(item: T) => boolean} stays
 */
export function keep(list, stays) {
  return list.every(stays) ? list : list.filter(stays);
}

/** Who says an entry. @param {Exclude<Entry, {kind: 'note'}>} entry */
export function speaker(entry) {
  return entry.kind === 'reply' ? AGENT : entry.participant;
}

/**
 * Whether an entry only goes on with what the same person just said.
 * @param {{participant: string, at: number} | null} before
 * @param {Entry} entry
 */
export function follows(before, entry) {
  return (
    before !== null &&
    entry.kind === 'utterance' &&
    before.participant === entry.participant &&
    Date.parse(entry.at) - before.at < FOLLOWS_MS
  );
}
