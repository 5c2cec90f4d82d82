// What the server says and is told (docs/protocol.md), for `tsc --checkJs --strict`.

export type Role = 'owner' | 'speaker' | 'listener';
export type Mode = 'button' | 'hands-free' | 'name';
export type User = { id: string; name: string };
export type Session = { id: string; device: string; began_at: string; seen_at: string; current: boolean };
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
  loading: boolean; // to be used next
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
