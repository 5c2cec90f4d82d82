import { wordAt, wordsOf } from '/static/js/core/words.js';
import { equal, test } from './harness.js';

const WORDS = [['今日', 300, 700], ['は', 700, 800], ['晴れ', 1200, 1600]];

test('words: the one that is being said, until the next begins', () => {
  const at = (ms) => wordAt(WORDS, ms);
  equal(at(0), null);
  equal(at(300), { from: 0, to: 2 });
  equal(at(750), { from: 2, to: 3 });
  equal(at(1100), { from: 2, to: 3 });
  equal(at(9000), { from: 3, to: 5 });
  equal(wordAt([], 100), null);
});

test('words: only those of the text', () => {
  equal(wordsOf('今日は晴れ', WORDS), WORDS);
  equal(wordsOf('今日は雨', WORDS), []);
});
