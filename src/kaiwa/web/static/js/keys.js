/** Keys that work anywhere on the page: the space bar talks, Escape stops what sounds. */

/** @import {Controller} from './controller.js' */
import { composing } from './dom.js';

/** @param {Controller} controller */
export function listenToKeys(controller) {
  let held = false; // the space bar, to talk
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || composing(event) || document.querySelector('dialog[open], [popover]')) return;
    if (event.key === 'Escape' && controller.session) {
      controller.session.recording.stop();
      if (controller.busy) void controller.session.stop();
      return;
    }
    if (event.key !== ' ' || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!isFree(event.target) || !controller.maySpeak) return;
    event.preventDefault();
    if (event.repeat) return;
    held = true;
    controller.mic.press();
  });
  addEventListener('keyup', (event) => {
    if (event.key !== ' ' || !held) return;
    held = false;
    event.preventDefault(); // on the control, a space would also click
    controller.mic.release();
  });
  addEventListener('blur', () => {
    held = false;
    controller.mic.release();
  });
}

/** Whether a space means nothing else here. @param {EventTarget | null} target */
function isFree(target) {
  if (!(target instanceof Element)) return true;
  if (target.closest('.mic')) return true;
  return !target.closest('input, textarea, select, button, summary, a, [contenteditable]');
}
