import { heardParts, pieces } from '/static/js/core/reply.js';
import { fit, goingReply, mineUnfinished, openTalk, reduce, replyById }
  from '/static/js/core/state.js';
import { equal, test, truthy } from './harness.js';

const TALK = {
  id: 't', title: '朝', language: 'ja', vocabulary: '', agent_name: 'AI', instructions: '', llm_model: '',
  voice: 'auto', voice_speed: 1, voice_pitch: 0, mode: 'button', recording: false, archived: false,
  created_at: '2026-11-22T00:00:00Z', seq: 0, role: 'owner',
};
const at = '2026-11-22T00:00:00Z';
const start = () => openTalk(TALK, { id: 'me', name: '花子' });
const play = (state, ...actions) => actions.reduce(reduce, state);

const final = (seq, id, text = 'はい', who = 'me') => ({
  type: 'utterance.final', at, seq, utterance_id: id, participant: who, name: who, text,
  language: 'ja', started_ms: seq, ended_ms: seq, capture: 'cap',
});
const partial = (id, revision, stable, tentative = '', who = 'me', started_ms = 0) => ({
  type: 'utterance.partial', at, utterance_id: id, participant: who, name: who, capture: 'cap',
  started_ms, revision, stable, tentative,
});
const started = (seq, id = 'r', generation = 1) => ({
  type: 'reply.started', at, seq, reply_id: id, generation, cause: 'button', name: 'AI',
});
const delta = (offset, text, id = 'r') => ({ type: 'reply.delta', at, reply_id: id, offset, text });
const clause = (seq, index, text, from, id = 'r') => ({
  type: 'reply.clause', at, seq, reply_id: id, index, text, start: from,
  end: from + [...text].length, clip: `c${index}`, duration_ms: 500,
});
const finished = (seq, text, status = 'complete', id = 'r') => ({
  type: 'reply.finished', at, seq, reply_id: id, status, text, timing: { total: 9 }, error: null,
});
const cut = (seq, heard_text, id = 'r') => ({
  type: 'reply.cut', at, seq, reply_id: id, by: 'me', clause: 0, ms: 100, heard_text,
});
const ready = { type: 'ready', seq: 0 };
const text = (state, id = 'r') => replyById(state, id).text;

test('state: entries stand in the order of seq, and a repeated seq changes nothing', () => {
  const state = play(start(), final(1, 'a'), final(2, 'b'));
  equal(state.entries.map((e) => e.id), ['a', 'b']);
  equal(state.cursor, 2);
  truthy(reduce(state, final(2, 'b')) === state, 'the same state');
});

test('state: fit tells old, next, hole and passing', () => {
  const state = play(start(), final(1, 'a'));
  equal(
    [final(1, 'a'), final(2, 'b'), final(4, 'c'), partial('x', 1, '')].map((e) => fit(state, e)),
    ['old', 'next', 'hole', 'passing'],
  );
});

test('state: what a newer server has stored is read past', () => {
  const news = (seq) => ({ type: 'of.the.future', at, seq });
  const state = play(start(), { type: 'events.read', events: [final(1, 'a'), news(2), news(3)] });
  equal([state.cursor, state.entries.map((e) => e.id)], [3, ['a']]);
  equal(play(state, final(4, 'b')).entries.map((e) => e.id), ['a', 'b']);
  equal(play(start(), { type: 'tail.read', after: 7, events: [news(8)] }).cursor, 8);
});

test('state: states are not changed, and what stays keeps its identity', () => {
  const before = play(start(), final(1, 'a'), started(2));
  const copy = JSON.stringify(before);
  const after = play(before, delta(0, 'はい'), final(3, 'b'));
  equal(JSON.stringify(before), copy);
  truthy(after.entries[0] === before.entries[0], 'the first entry is the same object');
});

test('partials: in place, newest revision, gone when the utterance is final', () => {
  let state = play(start(), partial('a', 1, '', '明日'), partial('a', 2, '明日', 'の会'));
  equal(state.partials.map((p) => [p.id, p.stable, p.tentative]), [['a', '明日', 'の会']]);
  state = play(state, final(1, 'a', '明日の会議'));
  equal(state.partials, []);
  equal(state.entries[0].text, '明日の会議');
});

test('partials: an older revision does not come back', () => {
  const state = play(start(), partial('a', 5, '五'), partial('a', 4, '四'));
  equal(state.partials[0].stable, '五');
});

test('partials: revision 1 begins again, as after another process took the capture over', () => {
  const state = play(start(), partial('a', 5, '五'), partial('a', 1, '新'), partial('a', 2, '新二'));
  equal(state.partials[0].stable, '新二');
});

test('partials: of a finished utterance are dropped', () => {
  const state = play(start(), final(1, 'a'), partial('a', 9, '遅い'));
  equal(state.partials, []);
});

test('partials: withdrawn is gone, and its id may be used again', () => {
  const gone = play(start(), partial('a', 3, '雑音'), { type: 'utterance.withdrawn', utterance_id: 'a' });
  equal(gone.partials, []);
  equal(play(gone, partial('a', 1, '本物')).partials[0].stable, '本物');
});

test('partials: of two people stand in the order in which they began', () => {
  const state = play(start(), partial('b', 1, 'b', '', 'you', 200), partial('a', 1, 'a', '', 'me', 100));
  equal(state.partials.map((p) => p.id), ['a', 'b']);
});

test('partials: after a break, those that are not said again are dropped at ready', () => {
  const state = play(
    start(), partial('a', 3, '古い'), partial('b', 7, '続く', '', 'you', 5),
    { type: 'stream.opened' }, partial('b', 2, '続く話', '', 'you', 5), ready,
  );
  equal(state.partials.map((p) => [p.id, p.stable]), [['b', '続く話']]);
});

test('speech: who is speaking, and whether my words are unfinished', () => {
  const edge = (type) => ({ type, at, participant: 'me', capture: 'cap' });
  let state = play(start(), edge('speech.started'));
  truthy(mineUnfinished(state), 'while I speak');
  state = play(state, partial('a', 1, 'x'), edge('speech.ended'));
  truthy(mineUnfinished(state), 'while my words are a partial');
  state = play(state, final(1, 'a'));
  truthy(!mineUnfinished(state), 'when they are final');
});

test('reply: deltas in order make the text', () => {
  equal(text(play(start(), started(1), delta(0, 'こん'), delta(2, 'にちは'))), 'こんにちは');
});

test('reply: a repeated or overlapping delta adds only what is new', () => {
  const state = play(start(), started(1), delta(0, 'こんに'), delta(0, 'こん'), delta(2, 'にちは'));
  equal(text(state), 'こんにちは');
});

test('reply: after a gap it waits for the clause', () => {
  let state = play(start(), started(1), delta(0, 'は'), delta(3, '今日は'));
  equal(text(state), 'は');
  state = play(state, clause(2, 0, 'はい、', 0), delta(3, '今日は'));
  equal(text(state), 'はい、今日は');
});

test('reply: places count code points, not UTF-16 units', () => {
  const state = play(start(), started(1), delta(0, '𠮷野家👍'), delta(4, 'へ'), clause(2, 0, '𠮷野家👍へ', 0));
  equal(text(state), '𠮷野家👍へ');
  equal(pieces(replyById(state, 'r')), [{ text: '𠮷野家👍へ', clause: 0 }]);
});

test('reply: what stands between clauses belongs to none', () => {
  const state = play(
    start(), started(1), delta(0, 'はい。\n次。あ'), clause(2, 0, 'はい。', 0), clause(3, 1, '次。', 4),
  );
  equal(pieces(replyById(state, 'r')), [
    { text: 'はい。', clause: 0 },
    { text: '\n', clause: null },
    { text: '次。', clause: 1 },
    { text: 'あ', clause: null },
  ]);
});

test('reply: a clause shorter than its place leaves no gap for the next delta', () => {
  const trimmed = { ...clause(2, 0, 'Yes.', 0), end: 5 };
  equal(text(play(start(), started(1), trimmed, delta(5, 'Go on'))), 'Yes. Go on');
});

test('reply: finished text supersedes, and later deltas are dropped', () => {
  const state = play(start(), started(1), delta(0, 'こん'), finished(2, 'こんばんは'), delta(5, '余り'));
  equal(text(state), 'こんばんは');
  equal(replyById(state, 'r').status, 'complete');
  equal(goingReply(state), null);
});

test('reply: cut shows what was heard, and what was not apart from it', () => {
  const state = play(start(), started(1), finished(2, 'はい、三時です。'), cut(3, 'はい、'));
  equal(heardParts(replyById(state, 'r')), { heard: 'はい、', rest: '三時です。' });
});

test('reply: cut may come before finished', () => {
  const state = play(
    start(), started(1), delta(0, 'はい、三時'), cut(2, 'はい'), finished(3, 'はい、三時', 'interrupted'),
  );
  equal(heardParts(replyById(state, 'r')), { heard: 'はい', rest: '、三時' });
  equal(replyById(state, 'r').status, 'interrupted');
});

test('reply: nothing heard leaves everything unheard', () => {
  const state = play(start(), started(1), finished(2, 'はい'), cut(3, ''));
  equal(heardParts(replyById(state, 'r')), { heard: '', rest: 'はい' });
});

test('reply: only what begins or goes on after ready is live', () => {
  let state = play(start(), started(1), clause(2, 0, 'は', 0), finished(3, 'は'), started(4, 's'), ready);
  equal([replyById(state, 'r').live, replyById(state, 's').live], [false, false]);
  state = play(state, clause(5, 0, 'い', 0, 's'), finished(6, 'い', 'complete', 's'), started(7, 'u', 2));
  equal([replyById(state, 's').live, replyById(state, 'u').live], [true, true]);
});

test('reply: an event for a reply that nobody knows changes nothing but the cursor', () => {
  const state = play(start(), clause(1, 0, 'x', 0, 'unknown'), delta(0, 'x', 'unknown'));
  equal([state.entries, state.cursor], [[], 1]);
});

test('reply: asking lasts until it begins, or is refused', () => {
  truthy(play(start(), { type: 'reply.asked' }).asking, 'asked');
  truthy(!play(start(), { type: 'reply.asked' }, started(1)).asking, 'begun');
  truthy(!play(start(), { type: 'reply.asked' }, { type: 'reply.refused' }).asking, 'refused');
  const begun = play(start(), { type: 'reply.asked' }, started(1), finished(2, 'x'));
  truthy(!reduce({ ...begun, asking: true }, { type: 'reply.accepted', replyId: 'r' }).asking, 'known');
});

test('utterance: edited keeps the original, also after a second edit', () => {
  const edit = (seq, words) => ({ type: 'utterance.edited', at, seq, utterance_id: 'a', text: words, by: 'me' });
  const state = play(start(), final(1, 'a', '海議'), edit(2, '会儀'), edit(3, '会議'));
  equal([state.entries[0].text, state.entries[0].original], ['会議', '海議']);
});

test('messages: shown at once, replaced by the event, whichever answer comes first', () => {
  const queued = { type: 'message.queued', key: 'k', text: 'やあ' };
  const accepted = { type: 'message.accepted', key: 'k', utteranceId: 'm' };
  equal(play(start(), queued).pending.map((m) => m.text), ['やあ']);
  equal(play(start(), queued, accepted, final(1, 'm', 'やあ')).pending, []);
  equal(play(start(), queued, final(1, 'm', 'やあ'), accepted).pending, []);
  equal(play(start(), queued, accepted).pending.length, 1);
  const typed = { ...final(1, 'm', 'やあ'), capture: null };
  equal(play(start(), queued, typed).pending, []); // the answer has not come yet
  equal(play(start(), queued, { ...typed, participant: 'other' }).pending.length, 1);
});

test('messages: a failed one stays until it is sent again or dropped', () => {
  const queued = { type: 'message.queued', key: 'k', text: 'やあ' };
  const failed = play(start(), queued, { type: 'message.failed', key: 'k' });
  equal(failed.pending[0].failed, true);
  equal(play(failed, queued).pending.map((m) => m.failed), [false]);
  equal(play(failed, { type: 'message.dropped', key: 'k' }).pending, []);
});

test('talk: updated settings, deletion', () => {
  const state = play(start(), { type: 'talk.updated', at, seq: 1, by: 'me', settings: { title: '夜' } });
  equal([state.settings.title, state.settings.language], ['夜', 'ja']);
  truthy(play(state, { type: 'talk.deleted', at, seq: 2, by: 'me' }).deleted, 'deleted');
});

test('recording: an utterance keeps its words until it reads otherwise', () => {
  const words = [['は', 0, 100], ['い', 100, 200]];
  const heard = { ...final(1, 'a'), recorded: true, words };
  const edited = { type: 'utterance.edited', at, utterance_id: 'a', by: 'me' };
  const again = [['へえ', 0, 200]];
  const state = play(start(), heard, final(2, 'b'));
  equal(state.entries.map((e) => [e.recorded, e.words]), [[true, words], [false, []]]);
  const [person] = play(state, { ...edited, seq: 3, text: 'ええ' }).entries;
  equal([person.words, person.model, person.recorded], [[], '', true]);
  const model = { ...edited, seq: 3, text: 'へえ', by: 'recogniser', model: 'm', words: again };
  const [reheard] = play(state, model).entries;
  equal([reheard.words, reheard.model, reheard.original], [again, 'm', 'はい']);
});

test('recording: the talk says when it began and ended', () => {
  const updated = (seq, settings) => ({ type: 'talk.updated', at, seq, by: 'me', settings });
  const state = play(
    start(),
    updated(1, { recording: true }), updated(2, { title: '夜' }), updated(3, { recording: false }),
  );
  equal(state.entries.map((e) => e.what), ['recording', 'unrecorded']);
  equal(state.settings.recording, false);
});

test('people: joined, here, gone, left; colours by the order of coming, 0 for the agent', () => {
  const joined = (seq, id, role = 'speaker') => ({
    type: 'member.joined', at, seq, participant: id, name: id, role,
  });
  let state = play(
    start(), joined(1, 'me', 'owner'), started(2), joined(3, 'you'),
    { type: 'presence', at, participant: 'you', name: 'you', state: 'here' },
  );
  const { me, you, agent } = state.participants;
  equal([me.colour, you.colour, agent.colour], [1, 2, 0]);
  equal([you.here, you.role], [true, 'speaker']);
  state = play(state, { type: 'member.left', at, seq: 4, participant: 'you' });
  equal([state.participants.you.here, state.participants.you.role], [false, null]);
  const notes = state.entries.filter((e) => e.kind === 'note');
  equal(notes.map((n) => [n.what, n.name]), [['joined', 'you'], ['left', 'you']]);
});

test('playing: the same place is the same state', () => {
  const state = play(start(), { type: 'playing', at: { replyId: 'r', clause: 1 } });
  truthy(reduce(state, { type: 'playing', at: { replyId: 'r', clause: 1 } }) === state, 'same');
  equal(reduce(state, { type: 'playing', at: null }).playing, null);
});

test('size: ten thousand utterances are read before whoever waits for these tests gives up', () => {
  let state = start();
  for (let seq = 1; seq <= 10_000; seq++) state = reduce(state, final(seq, `u${seq}`));
  equal(state.entries.length, 10_000);
});

test('state: the newest of a long talk is there first, and loses nothing when the past comes', () => {
  const all = [final(1, 'a'), final(2, 'b', 'まちがい'), final(3, 'c', 'うん', 'other'), final(4, 'd')];
  const edited = { type: 'utterance.edited', at, seq: 5, utterance_id: 'b', text: '正しい', by: 'me' };
  const tail = play(start(), { type: 'tail.read', after: 2, events: all.slice(2) });
  equal([tail.cursor, tail.past], [4, null]);
  equal(tail.entries.map(({ id }) => id), ['c', 'd']);

  const live = play(tail, { type: 'ready', seq: 4 }, edited, final(6, 'e'));
  const past = play(start(), { type: 'events.read', events: [...all, edited, final(6, 'e')] });
  const whole = play(live, { type: 'past.read', past });
  equal(whole.entries.map(({ id }) => id), ['a', 'b', 'c', 'd', 'e']);
  equal(whole.entries[1].text, '正しい');
  equal([whole.past, whole.cursor, whole.ready], [2, 6, true]);
  equal(whole.participants.me.colour, past.participants.me.colour);
  truthy(whole.entries[3] === live.entries[1], 'what was there stays the same');
});

test('state: settings that are told as text are numbers again', () => {
  const told = { type: 'talk.updated', at, seq: 1, by: 'me', settings: { voice_speed: '1.5', voice: 'none' } };
  const { settings } = play(start(), told);
  equal([settings.voice_speed, settings.voice_pitch, settings.voice], [1.5, 0, 'none']);
});

test('state: after a break nobody is here until they say so', () => {
  const here = { type: 'presence', at, participant: 'ken', name: 'Ken', state: 'here' };
  const broken = play(start(), here, { type: 'stream.opened' });
  equal(broken.participants.ken.here, false);
  equal(reduce(broken, here).participants.ken.here, true);
});
