import { SseParser, sseMessages } from '/static/js/core/sse.js';
import { all, equal, streamOf, test } from './harness.js';

const STREAM = [
  ': welcome\n\n',
  'event: utterance.final\nid: 7\ndata: {"text":"こんにちは"}\n\n',
  'event: speech.started\r\ndata: a\r\ndata: b\r\n\r\n',
  'data: plain\r\r',
  'event: nothing\n\n',
].join('');
const MESSAGES = [
  { event: 'utterance.final', data: '{"text":"こんにちは"}', id: '7' },
  { event: 'speech.started', data: 'a\nb', id: '7' },
  { event: 'message', data: 'plain', id: '7' },
];

test('sse: comments are skipped, fields are read, an event without data is none', () => {
  equal(new SseParser().feed(STREAM + ':'), MESSAGES);
});

test('sse: the stream may be cut anywhere', () => {
  for (let size = 1; size < 12; size++) {
    const parser = new SseParser();
    const messages = [];
    for (let i = 0; i < STREAM.length; i += size) {
      messages.push(...parser.feed(STREAM.slice(i, i + size)));
    }
    equal(messages, MESSAGES, `pieces of ${size}:`);
  }
});

test('sse: a message that is not finished is not given', () => {
  const parser = new SseParser();
  equal(parser.feed('data: half\n'), []);
  equal(parser.feed('\n'), [{ event: 'message', data: 'half', id: '' }]);
});

test('sse: only one space after the colon belongs to the syntax', () => {
  equal(new SseParser().feed('data:  two\ndata:none\ndata\n\n')[0].data, ' two\nnone\n');
});

test('sse: as a TransformStream behind a TextDecoderStream, bytes cut inside a character', async () => {
  const bytes = new TextEncoder().encode(STREAM);
  const pieces = Array.from({ length: bytes.length }, (_, i) => bytes.slice(i, i + 1));
  const out = streamOf(pieces).pipeThrough(new TextDecoderStream()).pipeThrough(sseMessages());
  equal(await all(out), MESSAGES);
});
