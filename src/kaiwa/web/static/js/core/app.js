/** What the page as a whole is doing, outside the talk itself. Pure, as state.js is. */

/** @import {AppAction, AppState} from '../types.js' */

const NOTICES = 3; // more would cover the page; the oldest goes

/** @type {AppState} */
export const START = Object.freeze({
  phase: 'loading',
  user: null,
  talks: null,
  voices: [],
  openId: null,
  stream: 'idle',
  mic: 'asleep',
  muted: false,
  sound: 'idle',
  notices: [],
  noticed: 0,
});

/** @param {AppState} state @param {AppAction} action @returns {AppState} */
export function reduceApp(state, action) {
  switch (action.type) {
    case 'signed-in':
      return { ...state, phase: 'signed-in', user: action.user };
    case 'signed-out':
      return {
        ...START,
        phase: 'signed-out',
        openId: state.openId,
        notices: state.notices,
        noticed: state.noticed,
      };
    case 'unreachable':
      return { ...state, phase: 'unreachable' };
    case 'talks':
      return { ...state, talks: action.talks };
    case 'talk': {
      const talks = state.talks ?? [];
      const known = talks.some((t) => t.id === action.talk.id);
      return {
        ...state,
        talks: known
          ? talks.map((t) => (t.id === action.talk.id ? { ...t, ...action.talk } : t))
          : [action.talk, ...talks],
      };
    }
    case 'talk.active': {
      const talk = state.talks?.find((t) => t.id === action.id);
      if (!talk || !state.talks || state.talks[0] === talk) return state;
      return { ...state, talks: [talk, ...state.talks.filter((t) => t !== talk)] };
    }
    case 'talk.gone':
      return {
        ...state,
        openId: state.openId === action.id ? null : state.openId,
        talks: state.talks && state.talks.filter((t) => t.id !== action.id),
      };
    case 'voices':
      return { ...state, voices: action.voices };
    case 'open':
      return state.openId === action.id ? state : { ...state, openId: action.id };
    case 'stream':
      return state.stream === action.state ? state : { ...state, stream: action.state };
    case 'mic':
      if (state.mic === action.state) return state;
      return {
        ...state,
        mic: action.state,
        muted: state.muted && action.state !== 'asleep' && action.state !== 'opening',
        // A microphone that works has no trouble any more.
        notices:
          action.state === 'listening'
            ? state.notices.filter((n) => !n.code.startsWith('mic.'))
            : state.notices,
      };
    case 'muted':
      return state.muted === action.on ? state : { ...state, muted: action.on };
    case 'sound':
      return state.sound === action.state ? state : { ...state, sound: action.state };
    case 'notice': {
      const { level, text, code, undo } = action;
      if (!undo && state.notices.some((n) => n.text === text)) return state;
      const id = state.noticed + 1;
      const notices = [...state.notices, { id, level, text, code, undo }].slice(-NOTICES);
      return { ...state, notices, noticed: id };
    }
    case 'notice.closed':
      return { ...state, notices: state.notices.filter((n) => n.id !== action.id) };
  }
}
