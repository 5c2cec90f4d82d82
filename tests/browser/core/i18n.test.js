import { MESSAGES, hasMessage, setLocale, t } from '/static/js/i18n.js';
import { equal, test, truthy } from './harness.js';

test('i18n: every message exists in both languages with the same values', () => {
  for (const [key, texts] of Object.entries(MESSAGES)) {
    equal(texts.length, 2, key);
    const values = texts.map((text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort());
    equal(values[0], values[1], key);
    truthy(texts.every((text) => text.trim()), `${key} is empty`);
  }
});

test('i18n: values are filled in, and never as markup or pattern', () => {
  setLocale('en');
  equal(t('talk.joined', { name: '<b>$&</b>' }), '<b>$&</b> joined');
  setLocale('ja');
  equal(t('talk.joined', { name: '花子' }), '花子さんが参加しました');
});

test('i18n: unknown keys are known to be unknown', () => {
  equal([hasMessage('dock.ask'), hasMessage('toString')], [true, false]);
});
