/** Who is in a talk, who is here, and who is speaking: parts of its state. Pure, as state.js is. */

/** @import {Participant, Presence, Role, TalkState} from '../types.js' */
import { AGENT } from './protocol.js';

/** How many participants can be told apart by colour; colour 0 is the agent's. */
const COLOURS = 8;

/**
 * @param {TalkState} state
 * @param {string} id
 * @param {{name?: string, role?: Role | null, here?: boolean}} change
 * @returns {TalkState}
 */
export function known(state, id, change) {
  const now = state.participants[id];
  if (now && Object.entries(change).every(([k, v]) => now[/** @type {'name'} */ (k)] === v)) {
    return state;
  }
  const people = Object.keys(state.participants).filter((p) => p !== AGENT).length;
  /** @type {Participant} */
  const next = now ?? {
    id,
    name: '',
    role: null,
    here: false,
    colour: id === AGENT ? 0 : 1 + (people % (COLOURS - 1)),
  };
  return { ...state, participants: { ...state.participants, [id]: { ...next, ...change } } };
}

/** @param {TalkState} state @param {Presence} event @returns {TalkState} */
export function presence(state, event) {
  return known(state, event.participant, { name: event.name, here: event.state === 'here' });
}

/** @param {TalkState} state @param {string} participant */
export function isSpeaking(state, participant) {
  return state.speaking.some((s) => s.startsWith(`${participant} `));
}

/**
 * @param {TalkState} state
 * @param {string} participant
 * @param {string} capture
 * @param {boolean} on
 * @returns {TalkState}
 */
export function speech(state, participant, capture, on) {
  const mark = `${participant} ${capture}`;
  if (state.speaking.includes(mark) === on) return state;
  return {
    ...state,
    speaking: on ? [...state.speaking, mark] : state.speaking.filter((s) => s !== mark),
  };
}
