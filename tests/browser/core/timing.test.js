import { percentile, reached, statistics, waterfall } from '/static/js/core/timing.js';
import { equal, test } from './harness.js';

const reply = (timing, status = 'complete') => ({ kind: 'reply', status, timing });

test('timing: each stage begins where the one before ended', () => {
  const bars = waterfall(reply({ total: 900, first_token: 100, first_clip: 400 }));
  equal(bars.map(({ stage, from, to }) => [stage, from, to]), [
    ['first_token', 0, 100], ['first_clip', 100, 400], ['total', 400, 900],
  ]);
});

test('timing: a stage that was measured out of order takes no time', () => {
  const [first, second] = waterfall(reply({ first_token: 100, first_clause: 90 }));
  equal([first.to, second.from, second.to], [100, 100, 100]);
});

test('timing: a turn that ended by itself counts from where the voice stopped', () => {
  const turn = reply({ final: 400, endpoint: 700, first_clause: 0, first_clip: 50, total: 900 });
  equal(waterfall(turn).map(({ stage, from, to }) => [stage, from, to]), [
    ['final', 0, 400], ['endpoint', 400, 700], ['first_clause', 700, 700], ['first_clip', 700, 750], ['total', 750, 1600],
  ]);
  equal(reached(turn, 'first_clip'), 750);
  equal(statistics([turn]).stages.at(-1), { stage: 'total', p50: 1600, p95: 1600 });
});

test('timing: percentiles by the nearest rank', () => {
  equal(percentile([], 0.5), null);
  equal(percentile([30, 10, 20], 0.5), 20);
  equal(percentile(Array.from({ length: 100 }, (_, i) => i + 1), 0.95), 95);
});

test('timing: what was cut off counts up to where it was', () => {
  const cut = reply({ first_token: 300, total: 9000 }, 'interrupted');
  const { replies, stages } = statistics([reply({ first_token: 100, total: 800 }), cut, { kind: 'note' }]);
  equal(replies, 2);
  equal(stages, [
    { stage: 'first_token', p50: 100, p95: 300 },
    { stage: 'total', p50: 800, p95: 800 },
  ]);
});

test('timing: replies that were stopped before they began have no stages', () => {
  equal(statistics([reply({ total: 40 }, 'interrupted')]), { replies: 1, stages: [] });
});
