/** Who speaks a clause, and how far a reply has been heard. Pure, as state.js is. */

/** @import {Clause, Reply, TalkSettings, TalkState, Voice} from '../types.js' */
import { replyById } from './state.js';

const JAPANESE = /[\u3040-\u30ff\u3400-\u9fff]/;

/**
 * The newest clause's voice: its clip, the browser, or none. Without a clip the browser speaks
 * only what the server has no voice for; else there was nothing to say, such as code.
 *
 * @param {Reply} reply
 * @param {TalkSettings} settings
 * @param {Voice[]} voices the server's
 * @returns {'clip' | 'browser' | null}
 */
export function speakerOf(reply, settings, voices) {
  const clause = reply.clauses.at(-1);
  if (!reply.live || !clause || settings.voice === 'none') return null;
  if (clause.clip !== null) return 'clip';
  if (settings.voice === 'browser' || reply.notice?.code === 'voice_down') return 'browser';
  if (settings.voice !== 'auto') return null;
  const language = languageSpoken(reply, settings.language);
  return voices.some((voice) => voice.language === language) ? null : 'browser';
}

/**
 * As the server chooses: of `auto`, by the text so far.
 * @param {Reply} reply @param {string} language
 */
function languageSpoken(reply, language) {
  if (language !== 'auto') return language;
  return reply.clauses.some((clause) => JAPANESE.test(clause.text)) ? 'ja' : 'en';
}

/**
 * Whether this page is to play a reply, which may not have begun; else it is read, and where it
 * was stopped says nothing about what is known of it.
 *
 * @param {TalkState} state
 * @param {string} replyId
 */
export function playsHere(state, replyId) {
  return state.settings.voice !== 'none' && (replyById(state, replyId)?.live ?? true);
}

/** The end of a clause. @param {Clause} clause @param {number} ms how long it sounded */
export function endOf(clause, ms) {
  // A decoder may lose a moment, and 0 would be the clause's beginning.
  return { clause: clause.index, ms: Math.max(ms, clause.durationMs, 1) };
}

/**
 * How far a reply has been heard: into the clip that sounds, or else to the end of the last one.
 *
 * @param {{clause: Clause, from: number, to: number}[]} clips in order, on the
 *   clock of `now`
 * @param {number} now in seconds
 * @param {{clause: number, ms: number}} [before] what was heard before these
 */
export function placeHeard(clips, now, before = { clause: 0, ms: 0 }) {
  const clip = clips.filter(({ from }) => from <= now).at(-1);
  if (!clip) return before;
  const { clause, from, to } = clip;
  if (now >= to) return endOf(clause, (to - from) * 1000);
  return { clause: clause.index, ms: (now - from) * 1000 };
}
