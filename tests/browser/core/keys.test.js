import { h } from '/static/js/dom.js';
import { listenToKeys } from '/static/js/keys.js';
import { renameInput } from '/static/js/views/sidebar.js';
import { DockView } from '/static/js/views/dock.js';
import { drawEditor } from '/static/js/views/entries.js';
import { equal, test } from './harness.js';

/** A key, and whatever it is pressed on. */
const press = (target, key, more = {}, type = 'keydown') =>
  target.dispatchEvent(new KeyboardEvent(type, { key, bubbles: true, cancelable: true, ...more }));

/** As Safari tells the Enter that ends a Japanese word: after the composition, with this code. */
const SAFARI = { keyCode: 229 };

test('keys: the Enter that chooses a Japanese word sends nothing, in Safari too', () => {
  const done = [];
  const element = h('div', {}, h('p', { class: 'words' }));
  drawEditor(element, { text: '海議' }, (text) => done.push(text));
  const rename = renameInput('朝', (text) => done.push(text));
  const said = [];
  const dock = new DockView({ session: { say: async (text) => said.push(text) }, mic: {} }).element;
  document.body.append(element, rename, dock);
  const [editor, input] = [element.querySelector('textarea'), dock.querySelector('textarea')];
  editor.value = '会議';
  input.value = 'かいぎ';
  for (const field of [editor, rename, input]) {
    for (const composing of [SAFARI, { isComposing: true }]) {
      press(field, 'Enter', composing);
      press(field, 'Escape', composing);
    }
  }
  equal([done, said], [[], []]);
  for (const field of [editor, rename, input]) press(field, 'Enter');
  equal([done, said], [['会議', '朝'], ['かいぎ']]);
  for (const each of [element, rename, dock]) each.remove();
});

test('keys: the space bar lets go wherever it comes up, and Escape belongs to a word that is chosen', () => {
  const did = [];
  const field = document.body.appendChild(h('input'));
  const controller = {
    maySpeak: true,
    busy: true,
    mic: { press: () => did.push('press'), release: () => did.push('release') },
    session: { recording: { stop: () => {} }, stop: async () => did.push('stop') },
  };
  listenToKeys(controller);
  press(document.body, ' ');
  press(field, ' ', {}, 'keyup'); // the focus went there
  press(document.body, ' ');
  controller.maySpeak = false; // a listener by now
  press(document.body, ' ', {}, 'keyup');
  press(field, ' ', {}, 'keyup'); // typed
  press(field, 'Escape', SAFARI);
  press(field, 'Escape', { isComposing: true });
  equal(did, ['press', 'release', 'press', 'release']);
  field.remove();
});
