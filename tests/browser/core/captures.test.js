import { mintId } from '/static/js/core/ids.js';
import { Spool } from '/static/js/core/spool.js';
import { all, equal, streamOf, test, truthy } from './harness.js';

const bytes = (...values) => Uint8Array.from(values);
const flat = (chunks) => chunks.flatMap((chunk) => [...chunk]);

test('ids: long enough for the server, no two alike', () => {
  truthy(/^[a-z0-9]{20}$/.test(mintId()), mintId());
  equal(new Set(Array.from({ length: 100 }, mintId)).size, 100);
});

test('spool: what was there before the connection is sent first', async () => {
  const spool = new Spool(100);
  spool.push(bytes(1, 2));
  const reading = all(spool.read(0));
  spool.push(bytes(3));
  await Promise.resolve();
  spool.push(bytes(4, 5));
  spool.close();
  equal(flat(await reading), [1, 2, 3, 4, 5]);
});

test('spool: a second connection begins where it is told, inside a block too', async () => {
  const spool = new Spool(100);
  spool.push(bytes(1, 2, 3, 4));
  spool.push(bytes(5, 6));
  spool.close();
  equal(flat(await all(spool.read(2))), [3, 4, 5, 6]);
  equal(flat(await all(spool.read(4))), [5, 6]);
  equal(flat(await all(spool.read(6))), []);
});

test('spool: what is stored may go, and no more than that', async () => {
  const spool = new Spool(100);
  spool.push(bytes(1, 2, 3, 4));
  spool.push(bytes(5, 6));
  spool.release(5);
  equal(spool.start, 4);
  spool.close();
  equal(flat(await all(spool.read(5))), [6]);
});

test('spool: a place that is gone is an error, not a silent skip', async () => {
  const spool = new Spool(100);
  spool.push(bytes(1, 2));
  spool.push(bytes(3));
  spool.release(2);
  let failed = false;
  await all(spool.read(0)).catch(() => (failed = true));
  truthy(failed, 'reading what is gone');
});

test('spool: beyond its limit the oldest go, and are counted', () => {
  const spool = new Spool(4);
  for (let i = 0; i < 5; i++) spool.push(bytes(i, i));
  equal([spool.start, spool.end, spool.lost], [6, 10, 6]);
});

test('spool: a reader that only passes through keeps nothing', async () => {
  const spool = new Spool(100);
  spool.push(bytes(1, 2));
  spool.push(bytes(3));
  spool.close();
  equal(flat(await all(spool.read(0, { forget: true }))), [1, 2, 3]);
  equal(spool.start, 3);
});

test('spool: fed by pipeTo, ended with its source', async () => {
  const spool = new Spool(100);
  const places = [];
  await streamOf([bytes(1), bytes(2)]).pipeTo(spool.writable((at) => places.push(at)));
  equal([spool.end, spool.closed], [2, true]);
  equal(places, [0, 1]);
});

test('spool: a connection that breaks leaves the recording alone', async () => {
  const spool = new Spool(100);
  const broken = spool.read(0).getReader();
  spool.push(bytes(1));
  await broken.read();
  await broken.cancel();
  spool.push(bytes(2));
  spool.close();
  equal(flat(await all(spool.read(0))), [1, 2]);
});

test('spool: what an earlier page left begins where it was cut', async () => {
  const spool = new Spool(100, 7);
  spool.push(bytes(1, 2, 3));
  spool.close();
  equal([spool.start, spool.end], [7, 10]);
  equal(flat(await all(spool.read(8))), [2, 3]);
  equal(flat(await all(spool.read(12))), []);
});
