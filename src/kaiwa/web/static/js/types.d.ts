// The shapes of things, for `tsc --checkJs --strict`; never loaded by a browser.

import type {
  Role,
  User,
  Member,
  Voice,
  WireError,
  TalkSettings,
  Talk,
  CaptureAnswer,
  TimedWord,
  DurableEvent,
  TalkEvent,
} from './wire.js';

export type * from './wire.js';

// --- one talk, as its reader sees it (core/state.js) ---------------------------------------------

export type Utterance = {
  kind: 'utterance';
  id: string;
  seq: number;
  at: string;
  participant: string;
  name: string;
  text: string;
  original: string | null; // what was heard, if it has been corrected
  language: string;
  startedMs: number;
  endedMs: number;
  capture: string | null;
  recorded: boolean;
  words: TimedWord[]; // joined, they are the text; or none
  model: string; // what heard it again, if that is its text
};
export type Clause = {
  index: number;
  text: string;
  start: number;
  end: number;
  clip: string | null;
  durationMs: number;
};
export type Reply = {
  kind: 'reply';
  id: string;
  seq: number;
  at: string;
  name: string;
  generation: number;
  status: 'going' | 'complete' | 'interrupted' | 'failed';
  text: string;
  length: number; // in code points
  clauses: Clause[];
  cut: { clause: number; ms: number; heardText: string; by: string } | null;
  timing: Record<string, number>;
  error: WireError | null;
  notice: WireError | null;
  live: boolean; // made while this page was listening: to be heard
};
export type Note = {
  kind: 'note';
  id: string;
  seq: number;
  at: string;
  what: 'joined' | 'left' | 'recording' | 'unrecorded';
  name: string;
};
export type Entry = Utterance | Reply | Note;

/** Words that are still being recognised. */
export type Hypothesis = {
  id: string;
  participant: string;
  name: string;
  capture: string;
  startedMs: number;
  at: string;
  revision: number;
  stable: string;
  tentative: string;
  stale: boolean; // from before a break of the stream
};
export type PendingMessage = {
  key: string;
  text: string;
  utteranceId: string | null;
  failed: boolean;
};
export type Participant = {
  id: string;
  name: string;
  role: Role | null;
  colour: number;
  here: boolean;
};
export type Playing = { replyId: string; clause: number } | null;
/** The recording that is being heard, and where its word stands in the text. */
export type Replaying = { id: string; word: { from: number; to: number } | null } | null;

export type TalkState = {
  id: string;
  me: string; // the reader's own participant id
  role: Role;
  settings: TalkSettings;
  cursor: number; // the last seq that has been read
  ready: boolean; // the backlog has been read
  deleted: boolean;
  entries: Entry[]; // in the order of seq
  past: number | null; // how many of them came after the newest; null: they are still to come
  partials: Hypothesis[]; // in the order of beginning
  pending: PendingMessage[]; // typed here, not yet in the log
  participants: Record<string, Participant>;
  speaking: string[]; // `participant capture`, where speech is going on
  playing: Playing;
  replaying: Replaying;
  asking: boolean; // a reply has been asked for and has not begun
};

export type Command =
  | { type: 'stream.opened' }
  | { type: 'members.loaded'; members: Member[] }
  | { type: 'message.queued'; key: string; text: string }
  | { type: 'message.accepted'; key: string; utteranceId: string }
  | { type: 'message.failed'; key: string }
  | { type: 'message.dropped'; key: string }
  | { type: 'reply.asked' }
  | { type: 'reply.refused' }
  | { type: 'reply.accepted'; replyId: string }
  | { type: 'playing'; at: Playing }
  | { type: 'replaying'; at: Replaying }
  | { type: 'events.read'; events: DurableEvent[] }
  | { type: 'tail.read'; after: number; events: DurableEvent[] }
  | { type: 'past.read'; past: TalkState }
  | { type: 'settings.saved'; talk: Talk };

// --- the page as a whole (core/app.js) -----------------------------------------------------------

export type MicState = 'asleep' | 'opening' | 'listening' | 'reconnecting' | 'finishing';
export type ControlState = MicState | 'muted' | 'hearing' | 'thinking' | 'speaking';
/** Waiting: for the sound of the next clause, which is on its way. */
export type SoundState = 'idle' | 'waiting' | 'playing' | 'blocked';
export type StreamState = 'idle' | 'connecting' | 'live';
export type Notice = {
  id: number;
  level: 'info' | 'error';
  text: string;
  code: string;
  undo?: () => void;
};

/** What one browser's reader likes (prefs.js). */
export type Preferences = {
  theme: 'system' | 'light' | 'dark';
  text: 'normal' | 'large' | 'larger';
  microphone: string; // a device id; empty: the browser's choice
  volume: number; // 0 … 1
};

export type AppState = {
  phase: 'loading' | 'signed-out' | 'signed-in' | 'unreachable';
  user: User | null;
  talks: Talk[] | null; // null: not yet loaded
  voices: Voice[];
  openId: string | null; // the talk that the URL names
  stream: StreamState;
  mic: MicState;
  muted: boolean;
  sound: SoundState;
  notices: Notice[];
  noticed: number; // how many there have been
};

export type AppAction =
  | { type: 'signed-in'; user: User }
  | { type: 'signed-out' }
  | { type: 'unreachable' }
  | { type: 'talks'; talks: Talk[] }
  | { type: 'talk'; talk: Talk }
  | { type: 'talk.active'; id: string } // something was said in it
  | { type: 'talk.gone'; id: string }
  | { type: 'voices'; voices: Voice[] }
  | { type: 'open'; id: string | null }
  | { type: 'stream'; state: StreamState }
  | { type: 'mic'; state: MicState }
  | { type: 'muted'; on: boolean }
  | { type: 'sound'; state: SoundState }
  | { type: 'notice'; level: Notice['level']; text: string; code: string; undo?: () => void }
  | { type: 'notice.closed'; id: number };

/** What tabs of one browser tell each other (tabs.js). */
export type TabMessage =
  | { type: 'event'; event: TalkEvent } // from the stream, by the tab that leads
  | { type: 'broken' } // the stream is
  | { type: 'refused'; talk: string; status: number; code: string; text: string }
  | { type: 'roll' } // a new leader asks who is where
  | { type: 'want'; talk: string; seq: number }
  | { type: 'changed' } // a tab has closed a talk
  | { type: 'ping' }
  | { type: 'pong'; good: boolean }
  | { type: 'playing'; talk: string; at: Playing } // by the tab that sounds
  | { type: 'stop'; talk: string }
  | { type: 'signed-out' };

// --- sound ---------------------------------------------------------------------------------------

export type Bytes = Uint8Array<ArrayBuffer>;

/** A microphone as bytes; the stream ends after `stop()` with all that was said. */
export type Source = {
  kind: 'pcm' | 'recorder';
  contentType: string;
  resumable: boolean; // a broken upload can go on where it was
  bytes: ReadableStream<Bytes>;
  stop: () => void;
};

export type Upload = {
  talkId: string;
  capture: string;
  offset: number; // in samples
  contentType: string;
  body: ReadableStream<Bytes>;
  signal: AbortSignal;
};
export type Transport = (upload: Upload) => Promise<CaptureAnswer>;

export type Position = { replyId: string; clause: number; ms: number };

declare global {
  // What exists on the audio thread alone.
  const sampleRate: number;
  class AudioWorkletProcessor {
    readonly port: MessagePort;
  }
  function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
}
