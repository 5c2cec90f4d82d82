/** Where the time of a reply went. Pure. */

/** @import {Entry, Reply} from '../types.js' */

/** In the order in which they happen; `final` and `endpoint` where the turn ended by itself. */
const STAGES = /** @type {const} */ (
  ['final', 'endpoint', 'first_token', 'first_clause', 'first_clip', 'first_sound', 'total']
);

/**
 * When a reply came to a stage: in ms since the voice stopped, or the button was pressed.
 * @param {Reply} reply
 * @param {typeof STAGES[number]} stage
 */
export function reached({ timing }, stage) {
  const { endpoint = 0, [stage]: ms } = timing;
  return stage === 'final' || stage === 'endpoint' || ms === undefined ? ms : endpoint + ms;
}

/**
 * A reply's stages one after the other, each beginning where the one before has ended.
 * @param {Reply} reply
 * @returns {{stage: typeof STAGES[number], from: number, to: number}[]} in ms
 */
export function waterfall(reply) {
  let from = 0;
  return STAGES.flatMap((stage) => {
    const ms = reached(reply, stage);
    if (ms === undefined) return [];
    const bar = { stage, from, to: Math.max(from, ms) };
    from = bar.to;
    return [bar];
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
      .map((reply) => reached(reply, stage))
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
