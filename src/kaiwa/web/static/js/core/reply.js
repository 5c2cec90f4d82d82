/**
 * How a reply grows out of its events, and what of it was heard. Pure.
 *
 * Places in its text (`offset`, `start`, `end`, `length`) count code points, as the server does,
 * not UTF-16 units.
 */

/** @import {Reply, ReplyClause, ReplyCut, ReplyDelta, ReplyFinished, ReplyStarted}
 *   from '../types.js' */

/** @param {ReplyStarted} event @param {boolean} live @returns {Reply} */
export function startedReply(event, live) {
  return {
    kind: 'reply',
    id: event.reply_id,
    seq: event.seq,
    at: event.at,
    name: event.name,
    generation: event.generation,
    status: 'going',
    text: '',
    length: 0,
    clauses: [],
    cut: null,
    timing: {},
    error: null,
    notice: null,
    live,
  };
}

/** @param {Reply} reply @param {ReplyDelta} event @returns {Reply} */
export function withDelta(reply, event) {
  if (reply.status !== 'going') return reply;
  const placed = place(reply, event.offset, event.text, false);
  return placed.length === reply.length ? reply : { ...reply, ...placed };
}

/** @param {Reply} reply @param {ReplyClause} event @param {boolean} ready @returns {Reply} */
export function withClause(reply, event, ready) {
  const placed = place(reply, event.start, event.text, true);
  const missing = event.end - placed.length;
  return {
    ...reply,
    text: missing > 0 ? placed.text + ' '.repeat(missing) : placed.text,
    length: Math.max(placed.length, event.end),
    live: reply.live || ready,
    clauses: [
      ...reply.clauses,
      {
        index: event.index,
        text: event.text,
        start: event.start,
        end: event.end,
        clip: event.clip ?? null,
        durationMs: event.duration_ms,
      },
    ],
  };
}

/** @param {Reply} reply @param {ReplyFinished} event @returns {Reply} */
export function withEnd(reply, event) {
  return {
    ...reply,
    status: event.status,
    text: event.text,
    length: count(event.text),
    timing: event.timing ?? {},
    error: event.error ?? null,
  };
}

/** @param {ReplyCut} event */
export function cutOf(event) {
  return { clause: event.clause, ms: event.ms, heardText: event.heard_text, by: event.by };
}

/**
 * A reply's text in pieces: each clause, and what lies between and after them.
 *
 * @param {Reply} reply
 * @returns {{text: string, clause: number | null}[]}
 */
export function pieces(reply) {
  const signs = Array.from(reply.text);
  /** @type {{text: string, clause: number | null}[]} */
  const out = [];
  let at = 0;
  /** @param {number} to @param {number | null} clause */
  const take = (to, clause) => {
    if (to > at) out.push({ text: signs.slice(at, to).join(''), clause });
    at = Math.max(at, to);
  };
  for (const clause of [...reply.clauses].sort((a, b) => a.index - b.index)) {
    take(Math.min(clause.start, signs.length), null);
    take(Math.min(clause.end, signs.length), clause.index);
  }
  take(signs.length, null);
  return out;
}

/**
 * What was heard of a reply and what was not.
 * @param {Reply} reply
 * @returns {{heard: string, rest: string}}
 */
export function heardParts(reply) {
  if (!reply.cut) return { heard: reply.text, rest: '' };
  const heard = reply.cut.heardText;
  const rest = reply.text.startsWith(heard) ? reply.text.slice(heard.length) : '';
  return { heard, rest: rest.trim() && rest };
}

/**
 * The reply's text with `text` at its place. What is already there stays; over a gap only a
 * clause may reach.
 *
 * @param {Reply} reply
 * @param {number} offset
 * @param {string} text
 * @param {boolean} overGap
 * @returns {{text: string, length: number}}
 */
function place(reply, offset, text, overGap) {
  const gap = offset - reply.length;
  if (gap > 0 && !overGap) return { text: reply.text, length: reply.length };
  if (gap >= 0) {
    return { text: reply.text + ' '.repeat(gap) + text, length: offset + count(text) };
  }
  const fresh = Array.from(text).slice(-gap);
  return { text: reply.text + fresh.join(''), length: reply.length + fresh.length };
}

/** @param {string} text */
function count(text) {
  let n = 0;
  for (const _ of text) n++;
  return n;
}
