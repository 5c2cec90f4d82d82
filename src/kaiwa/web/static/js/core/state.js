/**
 * One talk as its reader sees it: `reduce(state, event or command) -> state`. Pure: no DOM, no
 * fetch, no clock. States are never changed; what did not change keeps its identity, so that a
 * view can compare by `===`.
 *
 * The readers' rules of docs/protocol.md live here: durable events count only in their order;
 * partials of finished utterances and deltas of finished replies are dropped; after a gap between
 * deltas the reply waits for its clause.
 */

/** @import {Command, DurableEvent, Hypothesis, Note, Reply, ReplyDelta, Talk, TalkEvent,
 *   TalkSettings, TalkState, TalkUpdated, User, UtteranceFinal, UtterancePartial}
 *   from '../types.js' */
import { change, findEntry, keep } from './entries.js';
import { isSpeaking, known, presence, speech } from './people.js';
import { AGENT, isDurable } from './protocol.js';
import { wordsOf } from './words.js';
import { cutOf, startedReply, withClause, withDelta, withEnd } from './reply.js';

/** @param {Talk} talk @param {User} me @returns {TalkState} */
export function openTalk(talk, me) {
  return {
    id: talk.id,
    me: me.id,
    role: talk.role,
    settings: settingsOf(talk),
    cursor: 0,
    ready: false,
    deleted: false,
    entries: [],
    past: 0,
    partials: [],
    pending: [],
    participants: {},
    speaking: [],
    playing: null,
    replaying: null,
    asking: false,
  };
}

/**
 * Where an event stands against what has been read. On `hole` the reader asks again from its
 * cursor.
 *
 * @param {TalkState} state
 * @param {TalkEvent} event
 * @returns {'old' | 'next' | 'hole' | 'passing'}
 */
export function fit(state, event) {
  if (!isDurable(event)) return 'passing';
  if (event.seq <= state.cursor) return 'old';
  return event.seq === state.cursor + 1 ? 'next' : 'hole';
}

/** @param {TalkState} state @param {TalkEvent | Command} action @returns {TalkState} */
export function reduce(state, action) {
  switch (action.type) {
    case 'utterance.final':
    case 'utterance.edited':
    case 'reply.started':
    case 'reply.clause':
    case 'reply.finished':
    case 'reply.cut':
    case 'talk.updated':
    case 'talk.deleted':
    case 'member.joined':
    case 'member.left':
      if (action.seq <= state.cursor) return state;
      return durable({ ...state, cursor: action.seq }, action);

    case 'utterance.partial':
      return partial(state, action);
    case 'utterance.withdrawn':
      return withoutPartial(state, action.utterance_id);
    case 'speech.started':
    case 'speech.ended':
      return speech(state, action.participant, action.capture, action.type === 'speech.started');
    case 'reply.delta':
      return delta(state, action);
    case 'reply.notice':
      return changeReply(state, action.reply_id, (reply) => ({
        ...reply,
        notice: { code: action.code, message: action.message },
      }));
    case 'presence':
      return presence(state, action);
    case 'capture.durable':
      return state;
    case 'ready':
      return {
        ...state,
        ready: true,
        partials: keep(state.partials, (p) => !p.stale),
      };

    case 'events.read':
      return readAll(state, action.events);
    case 'tail.read':
      // Of a long talk the newest is read first, and shown at once.
      return readAll({ ...state, cursor: action.after, past: null }, action.events);
    case 'past.read':
      return withPast(state, action.past);
    case 'stream.opened':
      // What passed by while nobody read is unknown: what is still true is said again.
      return {
        ...state,
        partials: state.partials.map((p) => ({ ...p, stale: true })),
        participants: Object.fromEntries(
          Object.entries(state.participants).map(([id, p]) => [id, { ...p, here: false }]),
        ),
        speaking: [],
      };
    case 'members.loaded':
      return action.members.reduce(
        (s, m) => known(s, m.participant, { name: m.name, role: m.role }),
        state,
      );
    case 'message.queued':
      return {
        ...state,
        pending: [
          ...state.pending.filter((m) => m.key !== action.key),
          { key: action.key, text: action.text, utteranceId: null, failed: false },
        ],
      };
    case 'message.accepted':
      return {
        ...state,
        pending: findEntry(state.entries, 'utterance', action.utteranceId)
          ? state.pending.filter((m) => m.key !== action.key)
          : state.pending.map((m) =>
              m.key === action.key ? { ...m, utteranceId: action.utteranceId } : m,
            ),
      };
    case 'message.failed':
      return {
        ...state,
        pending: state.pending.map((m) => (m.key === action.key ? { ...m, failed: true } : m)),
      };
    case 'message.dropped':
      return { ...state, pending: state.pending.filter((m) => m.key !== action.key) };
    case 'reply.asked':
      return { ...state, asking: true };
    case 'reply.refused':
      return { ...state, asking: false };
    case 'reply.accepted':
      return findEntry(state.entries, 'reply', action.replyId)
        ? { ...state, asking: false }
        : state;
    case 'playing':
      return same(state.playing, action.at) ? state : { ...state, playing: action.at };
    case 'replaying':
      return { ...state, replaying: action.at };
    case 'settings.saved':
      return { ...state, role: action.talk.role, settings: settingsOf(action.talk) };
  }
  return state;
}

/**
 * Also past what a newer server has stored and this page does not know.
 * @param {TalkState} state @param {DurableEvent[]} events @returns {TalkState}
 */
function readAll(state, events) {
  const read = events.reduce(reduce, state);
  return { ...read, cursor: Math.max(read.cursor, events.at(-1)?.seq ?? 0) };
}

/** The reply that is being made now. @param {TalkState} state */
export function goingReply(state) {
  for (let i = state.entries.length - 1; i >= 0; i--) {
    const entry = state.entries[i];
    if (entry.kind === 'reply') return entry.status === 'going' ? entry : null;
  }
  return null;
}

/** @param {TalkState} state @param {string} id */
export function replyById(state, id) {
  return findEntry(state.entries, 'reply', id);
}

/** Whether the reader's own words are still being recognised. @param {TalkState} state */
export function mineUnfinished(state) {
  return isSpeaking(state, state.me) || state.partials.some((p) => p.participant === state.me);
}

/**
 * The talk as a whole: `past` has read it from its beginning up to here. What was live stays so.
 * @param {TalkState} state @param {TalkState} past @returns {TalkState}
 */
function withPast(state, past) {
  const first = state.entries[0]?.seq ?? Infinity;
  const before = past.entries.filter((entry) => entry.seq < first);
  /** @type {TalkState['participants']} */
  const participants = {};
  for (const [id, known] of Object.entries({ ...past.participants, ...state.participants })) {
    participants[id] = { ...known, colour: past.participants[id]?.colour ?? known.colour };
  }
  return { ...state, participants, entries: [...before, ...state.entries], past: before.length };
}

// --- durable -------------------------------------------------------------------------------------

/** @param {TalkState} state @param {DurableEvent} event @returns {TalkState} */
function durable(state, event) {
  switch (event.type) {
    case 'utterance.final':
      return final(state, event);
    case 'utterance.edited':
      return change(state, 'utterance', event.utterance_id, (utterance) => ({
        ...utterance,
        text: event.text,
        words: wordsOf(event.text, event.words ?? []),
        model: event.model ?? '',
        original: utterance.original ?? utterance.text,
      }));
    case 'reply.started':
      return {
        ...known(state, AGENT, { name: event.name }),
        asking: false,
        entries: [...state.entries, startedReply(event, state.ready)],
      };
    case 'reply.clause':
      return changeReply(state, event.reply_id, (reply) => withClause(reply, event, state.ready));
    case 'reply.finished':
      return changeReply(state, event.reply_id, (reply) => withEnd(reply, event));
    case 'reply.cut':
      return changeReply(state, event.reply_id, (reply) => ({ ...reply, cut: cutOf(event) }));
    case 'talk.updated':
      return updated(state, event);
    case 'talk.deleted':
      return { ...state, deleted: true };
    case 'member.joined': {
      const next = known(state, event.participant, { name: event.name, role: event.role });
      if (event.role === 'owner') return next; // began the talk: nothing to say
      return noted(next, event, 'joined', event.name);
    }
    case 'member.left': {
      const name = state.participants[event.participant]?.name ?? '';
      const gone = known(state, event.participant, { role: null, here: false });
      return noted(gone, event, 'left', name);
    }
  }
}

/** @param {TalkState} state @param {UtteranceFinal} event @returns {TalkState} */
function final(state, event) {
  const next = known(withoutPartial(state, event.utterance_id), event.participant, {
    name: event.name,
  });
  const sent = arrived(state, event);
  return {
    ...next,
    pending: keep(next.pending, (m) => m !== sent),
    entries: [
      ...state.entries,
      {
        kind: 'utterance',
        id: event.utterance_id,
        seq: event.seq,
        at: event.at,
        participant: event.participant,
        name: event.name,
        text: event.text,
        original: null,
        language: event.language,
        startedMs: event.started_ms,
        endedMs: event.ended_ms,
        capture: event.capture ?? null,
        recorded: event.recorded ?? false,
        words: wordsOf(event.text, event.words ?? []),
        model: '',
      },
    ],
  };
}

/**
 * The message that this is; the event may come before the answer that says its id, and then the
 * text tells it, so that it never stands there twice.
 * @param {TalkState} state
 * @param {UtteranceFinal} event
 */
function arrived({ pending, me }, event) {
  const typed = event.participant === me && event.capture === null;
  return (
    pending.find((m) => m.utteranceId === event.utterance_id) ??
    (typed ? pending.find((m) => m.utteranceId === null && m.text === event.text) : undefined)
  );
}

/** @param {TalkState} state @param {TalkUpdated} event @returns {TalkState} */
function updated(state, event) {
  const next = { ...state, settings: settingsOf({ ...state.settings, ...event.settings }) };
  const { recording } = event.settings;
  if (recording === undefined) return next;
  return noted(next, event, recording ? 'recording' : 'unrecorded', '');
}

/**
 * @param {TalkState} state
 * @param {DurableEvent} event
 * @param {Note['what']} what
 * @param {string} name
 * @returns {TalkState}
 */
function noted(state, { seq, at }, what, name) {
  /** @type {Note} */
  const note = { kind: 'note', id: `note-${seq}`, seq, at, what, name };
  return { ...state, entries: [...state.entries, note] };
}

// --- ephemeral -----------------------------------------------------------------------------------

/** @param {TalkState} state @param {UtterancePartial} event @returns {TalkState} */
function partial(state, event) {
  if (findEntry(state.entries, 'utterance', event.utterance_id)) return state;
  const now = state.partials.find((p) => p.id === event.utterance_id);
  // A first revision begins again: another process took the capture over.
  if (now && !now.stale && event.revision > 1 && event.revision <= now.revision) return state;
  /** @type {Hypothesis} */
  const next = {
    id: event.utterance_id,
    participant: event.participant,
    name: event.name,
    capture: event.capture,
    startedMs: event.started_ms,
    at: now?.at ?? event.at,
    revision: event.revision,
    stable: event.stable,
    tentative: event.tentative,
    stale: false,
  };
  const partials = now
    ? state.partials.map((p) => (p === now ? next : p))
    : [...state.partials, next].sort((a, b) => a.startedMs - b.startedMs);
  return { ...known(state, event.participant, { name: event.name }), partials };
}

/** @param {TalkState} state @param {string} id @returns {TalkState} */
function withoutPartial(state, id) {
  const partials = keep(state.partials, (p) => p.id !== id);
  return partials === state.partials ? state : { ...state, partials };
}

/** @param {TalkState} state @param {ReplyDelta} event @returns {TalkState} */
function delta(state, event) {
  return changeReply(state, event.reply_id, (reply) => withDelta(reply, event));
}

// --- small tools ---------------------------------------------------------------------------------

/** Of a talk, or as an event has them: numbers as text. @param {TalkSettings} all @returns {TalkSettings} */
function settingsOf(all) {
  const { title, language, vocabulary, agent_name, instructions, llm_model, voice, mode } = all;
  const voice_speed = Number(all.voice_speed);
  const voice_pitch = Number(all.voice_pitch);
  return {
    ...{ title, language, vocabulary, agent_name, instructions, llm_model, voice, mode },
    ...{ voice_speed, voice_pitch, recording: all.recording },
  };
}

/** @param {TalkState} state @param {string} id @param {(reply: Reply) => Reply} changed */
function changeReply(state, id, changed) {
  return change(state, 'reply', id, changed);
}

/**
 * @param {{replyId: string, clause: number} | null} a
 * @param {{replyId: string, clause: number} | null} b
 */
function same(a, b) {
  return a === b || (!!a && !!b && a.replyId === b.replyId && a.clause === b.clause);
}
