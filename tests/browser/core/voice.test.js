import { clipTypes } from '/static/js/core/protocol.js';
import { openTalk, reduce } from '/static/js/core/state.js';
import { endOf, placeHeard, playsHere, speakerOf } from '/static/js/core/voice.js';
import { equal, test } from './harness.js';

const at = '2026-11-22T00:00:00Z';
const VOICES = [{ id: 'j', name: 'j', language: 'ja', engine: 'e' }];
const DOWN = { type: 'reply.notice', at, reply_id: 'r', code: 'voice_down', message: '' };
const ready = { type: 'ready', seq: 0 };
const started = { type: 'reply.started', at, seq: 1, reply_id: 'r', generation: 1, cause: 'b', name: 'AI' };

/** A live talk whose reply has these clauses, the last without a clip. */
const talk = (settings, texts, { clip = null, before = [ready] } = {}) => {
  const open = openTalk(
    { id: 't', title: '', language: 'ja', voice: 'auto', mode: 'button', role: 'owner', ...settings },
    { id: 'me', name: '花子' },
  );
  const clauses = texts.map((text, index) => ({
    type: 'reply.clause', at, seq: index + 2, reply_id: 'r', index, text, start: index, end: index + 1,
    clip: index === texts.length - 1 ? clip : `c${index}`, duration_ms: 500,
  }));
  return [...before, started, ...clauses].reduce(reduce, open);
};
const speaker = (state, voices = VOICES) => speakerOf(state.entries[0], state.settings, voices);

test('voice: a clip is played, unless the talk is silent or the reply an old one', () => {
  equal(speaker(talk({}, ['はい'], { clip: 'c' })), 'clip');
  equal(speaker(talk({ voice: 'j' }, ['はい'], { clip: 'c' })), 'clip');
  equal(speaker(talk({ voice: 'none' }, ['はい'], { clip: 'c' })), null);
  equal(speaker(talk({}, ['はい'], { clip: 'c', before: [] })), null);
});

test('voice: without a clip the browser speaks where it was chosen', () => {
  equal(speaker(talk({ voice: 'browser' }, ['はい'])), 'browser');
  equal(speaker(talk({ voice: 'browser' }, ['はい'], { before: [] })), null);
  equal(speaker(talk({ voice: 'none' }, ['はい'])), null);
});

test('voice: auto is the browser in languages that the server does not speak', () => {
  equal(speaker(talk({ language: 'zh' }, ['你好'])), 'browser');
  equal(speaker(talk({ language: 'ja' }, ['```'])), null, 'nothing to say');
  equal(speaker(talk({ language: 'ja' }, ['はい']), []), 'browser');
  equal(speaker(talk({ language: 'zh', voice: 'j' }, ['你好'])), null, 'a voice was chosen');
});

test('voice: of language auto, kana and kanji are Japanese, all else English', () => {
  const auto = { language: 'auto' };
  equal(speaker(talk(auto, ['Yes.'])), 'browser');
  equal(speaker(talk(auto, ['山'])), null);
  equal(speaker(talk(auto, ['はい、', '```'])), null, 'by the text so far');
  equal(speaker(talk(auto, ['Yes.']), [{ ...VOICES[0], language: 'en' }]), null);
});

test('voice: after a voice failed the browser goes on, but not in a silent talk', () => {
  const after = (settings) => speaker(reduce(talk(settings, ['はい']), DOWN));
  equal([after({}), after({ voice: 'j' }), after({ voice: 'none' })], ['browser', 'browser', null]);
});

test('voice: a stop tells a place where this page plays the reply', () => {
  equal(playsHere(talk({}, ['はい']), 'r'), true);
  equal(playsHere(talk({}, []), 'not yet begun'), true);
  equal(playsHere(talk({ voice: 'none' }, ['はい']), 'r'), false);
  equal(playsHere(talk({}, ['はい'], { before: [] }), 'r'), false);
});

test('heard: nowhere, into a clip, at the end of one, and after it is gone', () => {
  const clip = (index, from, to) => ({ clause: { index, durationMs: 500 }, from, to });
  const clips = [clip(1, 10, 10.5), clip(2, 11, 11.5), clip(3, Infinity, Infinity)];
  equal(placeHeard([], 10), { clause: 0, ms: 0 });
  equal(placeHeard(clips, 9), { clause: 0, ms: 0 });
  equal(placeHeard(clips, 9, { clause: 0, ms: 700 }), { clause: 0, ms: 700 });
  equal(placeHeard(clips, 10.25), { clause: 1, ms: 250 });
  equal(placeHeard(clips, 10.75), { clause: 1, ms: 500 }, 'in the gap');
  equal(placeHeard(clips, 12), { clause: 2, ms: 500 }, 'while the next is loading');
});

test('heard: the end of a clause is its end, however the decoder counts', () => {
  equal(endOf({ index: 4, durationMs: 500 }, 498.7), { clause: 4, ms: 500 });
  equal(endOf({ index: 4, durationMs: 0 }, -Infinity), { clause: 4, ms: 1 });
});

test('clips: Ogg is asked for only where it can be decoded', () => {
  equal([clipTypes(true), clipTypes(false)], ['audio/ogg, audio/wav;q=0.9', 'audio/wav']);
});
