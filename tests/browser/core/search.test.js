import { find, folded, places } from '/static/js/core/search.js';
import { equal, test } from './harness.js';

const said = (...texts) => texts.map((text) => ({ kind: 'utterance', text }));

test('search: case, width and kana do not matter', () => {
  equal(find(said('フジサンへ', 'ふじさん', 'ＡＩ', 'ai', '富士山'), 'ふじさん'), [0, 1]);
  equal(find(said('フジサンへ', 'ふじさん', 'ＡＩ', 'ai', '富士山'), 'Ai'), [2, 3]);
  equal(find(said('はい'), ''), []);
});

test('search: notes are not words', () => {
  equal(find([{ kind: 'note', text: 'はい' }], 'はい'), []);
});

test('search: folding keeps every place', () => {
  const text = '㍻のギガ𠮷野家ﾊﾟ';
  equal(folded(text).length, text.length);
  equal(places('うみ、ウミ、海', folded('うみ')), [0, 3]);
  equal(places('ああああ', 'ああ'), [0, 2]);
});
