/** Where the page begins: makes the parts, joins them, draws once in a frame. */

import { unlockSound } from './audio/playback.js';
import { stayAwake } from './awake.js';
import { Controller } from './controller.js';
import { eachFrame } from './dom.js';
import { locale } from './i18n.js';
import { listenToKeys } from './keys.js';
import { PageView } from './views/page.js';

const controller = new Controller();

/** @returns {PageView} */
function mount() {
  document.documentElement.lang = locale();
  const page = new PageView(controller, () => {
    view = mount();
    view.openTalk();
  });
  document.body.querySelector('.root')?.remove();
  document.body.prepend(page.element);
  return page;
}

let view = mount();
const draw = eachFrame(() => view.update());
/** @type {() => void} */
let unwatch = () => {};

controller.store.watch(draw);
controller.store.watch(() => {
  const { mic, sound } = controller.state;
  stayAwake(mic !== 'asleep' || sound !== 'idle');
});
controller.onSession = () => {
  unwatch();
  unwatch = controller.session?.store.watch(draw) ?? (() => {});
  view.openTalk();
};

controller.onPlace = (/** @type {number | null} */ seq) => {
  if (seq !== null) view.showPlace(seq);
};
listenToKeys(controller);

// The first gesture wakes the sound, so that an answer may be heard without another.
for (const gesture of ['pointerdown', 'keydown']) {
  addEventListener(gesture, unlockSound, { once: true, capture: true });
}

// Here already when the microphone is opened for the first time, though the server be away.
void fetch(new URL('./audio/pcm-worklet.js', import.meta.url)).catch(() => {});

draw();
void controller.start();
