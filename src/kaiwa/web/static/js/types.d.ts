// The shapes of things, for `tsc --checkJs --strict`; never loaded by a browser.

// --- the wire (docs/protocol.md) -----------------------------------------------------------------

export type Role = 'owner' | 'speaker' | 'listener';
export type Mode = 'button' | 'hands-free' | 'name';
export type User = { id: string; name: string };
export type Member = { participant: string; name: string; role: Role };
export type Voice = {
  id: string;
  name: string;
  language: string;
  engine: string;
  speed: boolean; // it can be made faster and slower
  pitch: boolean;
  sample: string;
};
export type ModelUse = 'speech' | 'chat' | 'turn';
export type Weights = {
  name: string;
  use: ModelUse;
  installed: boolean;
  in_use: boolean;
  bytes: number;
};
export type Pull = {
  use: ModelUse;
  name: string;
  state: 'going' | 'done' | 'failed' | 'stopped';
  bytes: number;
  total: number; // 0: not yet known
  error: WireError | null;
};
export type Models = {
  chat: { kind: string; models: { name: string; size: number }[]; error: WireError | null };
  weights: Weights[];
  pull: Pull | null;
  may_pull: boolean;
  may_change: boolean; // the recogniser, from here
};
export type SearchHit = {
  talk: string;
  title: string;
  seq: number;
  utterance_id: string | null;
  text: string;
  name: string | null;
  at: string;
};
export type WireError = { code: string; message: string };

export type TalkSettings = {
  title: string;
  language: string;
  vocabulary: string;
  agent_name: string;
  instructions: string;
  llm_model: string;
  voice: string;
  voice_speed: number; // times the voice's own
  voice_pitch: number; // semitones above the voice's own
  mode: Mode;
  recording: boolean;
};
export type Talk = TalkSettings & {
  id: string;
  created_at: string;
  seq: number;
  role: Role;
  archived: boolean;
  /** What was said first in a talk without a title. */
  first_words: string;
};

export type CaptureAnswer = {
  capture: string;
  duration_ms: number;
  utterances: { utterance_id: string; text: string }[];
};

type Common = { at: string; talk?: string };
type Stored = Common & { seq: number };

export type UtteranceFinal = Stored & {
  type: 'utterance.final';
  utterance_id: string;
  participant: string;
  name: string;
  text: string;
  language: string;
  started_ms: number;
  ended_ms: number;
  capture: string | null; // null: typed
  words?: TimedWord[];
  recorded?: boolean;
};
export type TimedWord = [text: string, startMs: number, endMs: number]; // from `started_ms`
export type UtteranceEdited = Stored & {
  type: 'utterance.edited';
  utterance_id: string;
  text: string;
  by: string;
  model?: string; // what heard it again, where nobody wrote it
  words?: TimedWord[];
};
export type ReplyStarted = Stored & {
  type: 'reply.started';
  reply_id: string;
  generation: number;
  cause: string;
  name: string;
};
export type ReplyClause = Stored & {
  type: 'reply.clause';
  reply_id: string;
  index: number;
  text: string;
  start: number;
  end: number;
  clip: string | null;
  duration_ms: number;
};
export type ReplyFinished = Stored & {
  type: 'reply.finished';
  reply_id: string;
  status: 'complete' | 'interrupted' | 'failed';
  text: string;
  timing?: Record<string, number>;
  error?: WireError | null;
};
export type ReplyCut = Stored & {
  type: 'reply.cut';
  reply_id: string;
  by: string;
  clause: number;
  ms: number;
  heard_text: string;
};
export type TalkUpdated = Stored & {
  type: 'talk.updated';
  by: string;
  settings: Record<string, string>; // what changed, as text
};
export type TalkDeleted = Stored & { type: 'talk.deleted'; by: string };
export type MemberJoined = Stored & {
  type: 'member.joined';
  participant: string;
  name: string;
  role: Role;
};
export type MemberLeft = Stored & { type: 'member.left'; participant: string };

export type SpeechEdge = Common & {
  type: 'speech.started' | 'speech.ended';
  participant: string;
  capture: string;
};
export type UtterancePartial = Common & {
  type: 'utterance.partial';
  utterance_id: string;
  participant: string;
  name: string;
  capture: string;
  started_ms: number;
  revision: number;
  stable: string;
  tentative: string;
};
export type UtteranceWithdrawn = Common & { type: 'utterance.withdrawn'; utterance_id: string };
export type CaptureDurable = Common & { type: 'capture.durable'; capture: string; offset: number };
export type ReplyDelta = Common & {
  type: 'reply.delta';
  reply_id: string;
  offset: number;
  text: string;
};
export type ReplyNotice = Common & {
  type: 'reply.notice';
  reply_id: string;
  code: string;
  message: string;
};
export type Presence = Common & {
  type: 'presence';
  participant: string;
  name: string;
  state: 'here' | 'gone';
};
export type Ready = { type: 'ready'; seq: number; talk?: string };

export type DurableEvent =
  | UtteranceFinal
  | UtteranceEdited
  | ReplyStarted
  | ReplyClause
  | ReplyFinished
  | ReplyCut
  | TalkUpdated
  | TalkDeleted
  | MemberJoined
  | MemberLeft;
export type EphemeralEvent =
  | SpeechEdge
  | UtterancePartial
  | UtteranceWithdrawn
  | CaptureDurable
  | ReplyDelta
  | ReplyNotice
  | Presence;
export type TalkEvent = DurableEvent | EphemeralEvent | Ready;

export type SseMessage = { event: string; data: string; id: string };

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
export type SoundState = 'idle' | 'playing' | 'blocked';
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
