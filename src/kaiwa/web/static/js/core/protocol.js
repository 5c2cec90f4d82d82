/**
 * The wire protocol as the page sees it (docs/protocol.md): event types, their shapes, one codec.
 */

/** @import {DurableEvent, SseMessage, TalkEvent} from '../types.js' */

export const DURABLE = Object.freeze([
  'utterance.final',
  'utterance.edited',
  'reply.started',
  'reply.clause',
  'reply.finished',
  'reply.cut',
  'talk.updated',
  'talk.deleted',
  'member.joined',
  'member.left',
]);

export const EPHEMERAL = Object.freeze([
  'speech.started',
  'speech.ended',
  'utterance.partial',
  'utterance.withdrawn',
  'capture.durable',
  'reply.delta',
  'reply.stopping',
  'reply.notice',
  'presence',
]);

/** The agent's participant id in events. */
export const AGENT = 'agent';

/** How raw PCM is named on the wire. */
export const L16 = 'audio/L16;rate=16000;channels=1';
export const SAMPLE_RATE = 16000;
export const BYTES_PER_SAMPLE = 2;

/** How a clip is asked for. @param {boolean} ogg whether this browser can decode Ogg Opus */
export function clipTypes(ogg) {
  return ogg ? 'audio/ogg, audio/wav;q=0.9' : 'audio/wav';
}

const durable = new Set(DURABLE);
const ephemeral = new Set(EPHEMERAL);

/** @param {TalkEvent} event @returns {event is DurableEvent} */
export function isDurable(event) {
  return durable.has(event.type);
}

/**
 * One SSE message as an event; null if this page does not know the type or cannot read it
 * (a newer server may send more than we understand, and readers go on).
 *
 * @param {SseMessage} message
 * @returns {TalkEvent | null}
 */
export function decodeEvent(message) {
  /** @type {any} */
  let data;
  try {
    data = JSON.parse(message.data);
  } catch {
    return null;
  }
  if (typeof data !== 'object' || data === null) return null;
  const type = typeof data.type === 'string' ? data.type : message.event;
  if (type === 'ready') return { type, seq: Number(data.seq) || 0, talk: data.talk };
  if (ephemeral.has(type)) return { ...data, type };
  if (!durable.has(type)) return null;
  const seq = Number(data.seq ?? message.id);
  return Number.isInteger(seq) && seq > 0 ? { ...data, type, seq } : null;
}
