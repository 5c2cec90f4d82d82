import { START, reduceApp } from '/static/js/core/app.js';
import { openTalk, reduce } from '/static/js/core/state.js';
import { prefer } from '/static/js/prefs.js';
import { Store } from '/static/js/store.js';
import { Announcer } from '/static/js/views/announcer.js';
import { MeterView } from '/static/js/views/meter.js';
import { openPreferences } from '/static/js/views/preferences.js';
import { TranscriptView } from '/static/js/views/transcript.js';
import { equal, test, until } from './harness.js';

const at = '2026-11-22T00:00:00Z';
const TALK = { id: 't', title: '', language: 'ja', agent_name: 'AI', mode: 'button', role: 'owner' };
const final = (seq) => ({
  type: 'utterance.final', at, seq, utterance_id: `u${seq}`, participant: 'me', name: '花子', text: `${seq}番`,
  language: 'ja', started_ms: seq, ended_ms: seq, capture: 'cap',
});

test('transcript: a correction that went out of sight leaves the words, and room for another', () => {
  const store = new Store(reduce, openTalk(TALK, { id: 'me', name: '花子' }));
  const session = { store, get state() { return store.state; } };
  const view = new TranscriptView({ state: { mic: 'asleep' } });
  document.body.append(view.element);
  view.open(session);
  for (let seq = 1; seq <= 300; seq++) store.dispatch(final(seq));
  view.update();
  const words = () => [...view.element.querySelectorAll('.words')].map(({ textContent }) => textContent);
  const edit = () => view.element.querySelector('[data-testid=edit]').click();
  edit();
  view.reveal(10);
  view.reveal(200);
  equal(words().filter((text) => !/番/.test(text)), []);
  equal(view.element.querySelectorAll('.entries > :not(.day)').length, words().length, 'each has its words');
  edit();
  equal(view.element.querySelectorAll('form').length, 1);
  view.element.remove();
});

test('notices: each has an id of its own, and two deletions of like-named talks can both be undone', () => {
  const notice = (text, undo) => ({ type: 'notice', level: 'info', text, code: 'c', undo });
  const play = (...actions) => actions.reduce(reduceApp, START);
  const first = play(notice('a'));
  const [{ id }] = first.notices;
  const gone = reduceApp(first, { type: 'notice.closed', id });
  const out = reduceApp(gone, { type: 'signed-out' });
  for (const state of [gone, out]) {
    const { notices } = reduceApp(state, notice('b'));
    equal(notices.map((n) => n.id !== id), [true]);
  }
  const [one, two] = [() => {}, () => {}];
  equal(play(notice('a', one), notice('a', two)).notices.map((n) => n.undo === one), [true, false]);
  equal(play(notice('a'), notice('a')).notices.length, 1);
});

test('preferences: the microphone that was just chosen stays chosen when the list comes again', async () => {
  const { enumerateDevices } = navigator.mediaDevices;
  const devices = ['a', 'b'].map((deviceId) => ({ kind: 'audioinput', deviceId, label: deviceId }));
  navigator.mediaDevices.enumerateDevices = async () => devices;
  prefer({ microphone: 'a' });
  openPreferences({ mic: { analyser: null, change() {} } });
  const select = document.querySelector('#pref-microphone');
  await until(() => select.value === 'a');
  select.value = 'b';
  select.dispatchEvent(new Event('change'));
  devices.shift(); // the old one is unplugged
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  await until(() => select.options.length === 2);
  equal(select.value, 'b');
  document.querySelector('dialog').close();
  prefer({ microphone: '' });
  navigator.mediaDevices.enumerateDevices = enumerateDevices;
});

test('meter: one that is no longer on the page stops drawing', async () => {
  const context = new AudioContext();
  let looks = 0;
  const analyser = context.createAnalyser();
  analyser.getFloatTimeDomainData = () => looks++;
  const meter = new MeterView();
  document.body.append(meter.element);
  meter.listen(analyser);
  await until(() => looks);
  meter.element.remove();
  const frames = (count) => new Promise((done) => {
    const next = () => (count-- ? requestAnimationFrame(next) : done());
    next();
  });
  await frames(3);
  const before = looks;
  await frames(4);
  equal(looks, before);
  await context.close();
});

test('announcer: a reply is told when it is finished, also where somebody spoke meanwhile', () => {
  const announcer = new Announcer();
  const started = (seq, reply_id) => ({
    type: 'reply.started', at, seq, reply_id, generation: 1, cause: 'b', name: 'AI',
  });
  const finished = (seq, reply_id) => ({
    type: 'reply.finished', at, seq, reply_id, status: 'complete', text: reply_id, timing: {}, error: null,
  });
  const states = [
    { type: 'ready', seq: 0 },
    ...[started(1, 'r'), final(2), finished(3, 'r'), final(4), started(5, 's'), finished(6, 's'), final(7)],
  ];
  let state = openTalk(TALK, { id: 'me', name: '花子' });
  for (const event of states) announcer.update((state = reduce(state, event)));
  const told = [...announcer.element.children].map(({ textContent }) => textContent);
  equal(told, ['花子: 2番', 'AI: r', '花子: 4番', 'AI: s', '花子: 7番']);
});
