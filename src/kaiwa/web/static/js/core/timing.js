/** Where the time of a reply went. Pure. */

/** @import {Entry, Reply} from '../types.js' */

/** The stages that every server reports, in the order in which they happen. */
export const STAGES = /** @type {const} */ (['first_token', 'first_clause', 'first_clip', 'total']);

/**
 * A reply's stages one after the other, each beginning where the one before has ended.
 * @param {Reply} reply
 * @returns {{stage: typeof STAGES[number], from: number, to: number}[]} in ms since it was asked for
 */
export function waterfall(reply) {
  let from = 0;
  return STAGES.filter((stage) => reply.timing[stage] !== undefined).map((stage) => {
    const to = Math.max(from, reply.timing[stage]);
    const bar = { stage, from, to };
    from = to;
    return bar;
  });
}

/**
 * How long the replies of a talk took to each stage; one that was cut off counts up to its end,
 * which is none of its stages.
 * @param {Entry[]} entries
 */
export function statistics(entries) {
  const replies = entries.flatMap((e) => (e.kind === 'reply' && e.status !== 'going' ? [e] : []));
  const stages = STAGES.map((stage) => {
    const times = replies
      .filter(({ status }) => stage !== 'total' || status === 'complete')
      .map(({ timing }) => timing[stage])
      .filter((ms) => ms !== undefined);
    return { stage, p50: percentile(times, 0.5), p95: percentile(times, 0.95) };
  });
  return { replies: replies.length, stages: stages.filter(({ p50 }) => p50 !== null) };
}

/**
 * By the nearest rank.
 * @param {number[]} values
 * @param {number} p 0 … 1
 */
export function percentile(values, p) {
  if (!values.length) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
}
