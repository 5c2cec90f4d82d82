import { Tabs } from '/static/js/tabs.js';
import { TalkSession } from '/static/js/talk-session.js';
import { equal, test, until } from './harness.js';

const TALK = {
  id: 't', title: '朝', language: 'ja', voice: 'auto', mode: 'button', recording: false, seq: 0, role: 'owner',
};
const at = () => new Date().toISOString();
const final = (seq) => ({
  type: 'utterance.final', at: at(), seq, utterance_id: `u${seq}`, participant: 'you', name: 'you',
  text: 'はい', language: 'ja', started_ms: seq, ended_ms: seq, capture: 'cap',
});
const started = (seq, id = 'r', when = at()) => ({
  type: 'reply.started', at: when, seq, reply_id: id, generation: 1, cause: 'button', name: 'AI',
});
const clause = (seq, id = 'r', when = at()) => ({
  type: 'reply.clause', at: when, seq, reply_id: id, index: 0, text: 'はい', start: 0, end: 2, clip: `c${id}`,
  duration_ms: 500,
});
const finished = (seq, id = 'r') => ({
  type: 'reply.finished', at: at(), seq, reply_id: id, status: 'complete', text: 'はい', timing: {}, error: null,
});
const ready = { type: 'ready', seq: 0 };
const never = new Promise(() => {});

/** An open talk and what its stream tells; everything else is quiet unless given. */
function opened({ api = {}, tabs = alone(), talk = {}, ...on } = {}) {
  const session = new TalkSession({
    api: { members: async () => ({ members: [] }), clip: () => never, heard: async () => {}, ...api },
    stream: { follow: (_, follower) => ((session.follower = follower), never) },
    tabs,
    talk: { ...TALK, ...talk },
    user: { id: 'me', name: '花子' },
    voices: () => [],
    onStream() {}, onSound() {}, onDurable() {}, onActive() {}, onSettings() {}, onDeleted() {}, onTrouble() {},
    endCapture: async () => null,
    microphone: () => null,
    ...on,
  });
  void session.follow();
  return session;
}

/** A browser of one tab. */
const alone = () => ({
  listen: () => () => {},
  tell() {},
  hold: (name, signal, { onHeld }) => (onHeld(), never),
});

const live = async (session, ...events) => {
  await until(() => session.follower);
  session.follower.state('connecting');
  for (const event of [ready, ...events]) session.follower.event(event);
  session.follower.state('live');
};

test('session: a talk that was left says nothing more of its connection', async () => {
  const said = [];
  let answer;
  const session = opened({
    api: { events: () => new Promise((resolve) => (answer = resolve)) },
    talk: { seq: 1000 },
    onStream: (state) => said.push(state),
  });
  session.close();
  answer({ events: [] });
  await until(() => session.follower);
  session.follower.state('connecting');
  equal(said, []);
});

test('session: what was erased leaves holes, and the talk goes on behind each of them', async () => {
  const session = opened();
  await live(session, final(1));
  session.follower.read([final(5), final(9)]);
  equal(session.state.entries.map(({ seq }) => seq), [1, 5, 9]);
  session.close();
});

test('session: two keys pressed at once take the sound over once', async () => {
  const asked = [];
  const hold = (name, signal, how) => new Promise((lost) => asked.push({ ...how, lost }));
  const session = opened({ tabs: { ...alone(), hold } });
  await live(session);
  for (let i = 0; i < 2; i++) dispatchEvent(new Event('keydown'));
  const taken = asked.filter(({ steal }) => steal);
  for (const { onHeld } of taken) onHeld();
  for (const { lost } of taken.slice(0, -1)) lost(); // to the later one
  await new Promise((resolve) => setTimeout(resolve));
  for (const event of [started(1), clause(2)]) session.follower.event(event);
  equal(session.player.replyId, 'r');
  session.close();
});

test('session: a tab that is gone sounds no more', async () => {
  const [other, tabs] = [new Tabs('gone'), new Tabs('gone')];
  const there = new AbortController();
  await new Promise((onHeld) => void other.hold('sound.t', there.signal, { onHeld }));
  const session = opened({ tabs });
  await live(session, started(1));
  other.tell({ type: 'playing', talk: 't', at: { replyId: 'r', clause: 0 } });
  await until(() => session.state.playing);
  there.abort();
  await until(() => !session.state.playing);
  session.close();
});

test('session: to end what is said again tells the server nothing', async () => {
  const stopped = [];
  const session = opened({ api: { stop: async (_, reply) => stopped.push(reply) } });
  await live(session, started(1), clause(2), finished(3));
  session.replay(session.state.entries[0]);
  await session.stop();
  equal([session.player.replyId, stopped], [null, []]);

  session.follower.event(started(4, 's'));
  session.replay(session.state.entries[0]);
  await session.stop();
  equal([session.player.replyId, stopped], [null, ['s']]);
  session.close();
});

test('session: a reply makes room for what is played instead, to its end', async () => {
  const session = opened();
  await live(session, started(1), clause(2), finished(3), started(4, 's'), clause(5, 's'));
  session.replay(session.state.entries[0]);
  session.follower.event({ ...clause(6, 's'), index: 1 });
  session.player.stop('r');
  equal(session.player.replyId, null);
  session.close();
});

test('session: after a break it goes on with the reply, and begins none that is long over', async () => {
  const session = opened();
  await live(session);
  const before = new Date(Date.now() - 600_000).toISOString();
  await live(session, started(1, 'r', before), clause(2, 'r', before), finished(3), started(4, 's'), clause(5, 's'));
  equal(session.player.replyId, 's');
  session.close();
});
