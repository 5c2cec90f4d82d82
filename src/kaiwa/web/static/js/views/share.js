/** A talk's link, as text and as a QR code that is made here. */

/** @import {Controller} from '../controller.js' */
import { routeHash } from '../core/route.js';
import { h, icon } from '../dom.js';
import { t } from '../i18n.js';
import { generate } from '../vendor/lean-qr.js';
import { field, sheet, show } from './dialog.js';

const QUIET = 4; // modules around the code, as ISO 18004 has it

/** @param {Controller} controller @param {string} talkId */
export function openShare(controller, talkId) {
  const input = h('input', { id: 'share-link', readonly: true, 'data-testid': 'share-link' });
  const canvas = h('canvas', { class: 'qr', role: 'img', 'aria-label': t('share.qr') });
  const draw = (/** @type {string} */ link) => {
    input.value = link;
    paint(canvas, link);
  };
  draw(`${location.origin}/${routeHash(talkId)}`);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
  const copy = h(
    'button',
    { class: 'primary', type: 'button', 'data-testid': 'share-copy', onclick: () => controller.copy(input.value) },
    icon('copy'),
    t('copy.one'),
  );
  const says = h('p', { class: 'hint' }, t('share.members'));
  const invite = h(
    'button',
    {
      class: 'soft',
      type: 'button',
      'data-testid': 'share-invite',
      onclick: async () => {
        invite.disabled = true;
        try {
          draw((await controller.api.invite(talkId)).link);
          says.textContent = t('share.invited');
          invite.remove();
        } catch {
          says.textContent = t('error.invite.failed');
          invite.disabled = false;
        }
      },
    },
    icon('people'),
    t('share.invite'),
  );
  const owner = controller.state.talks?.find(({ id }) => id === talkId)?.role === 'owner';
  const dialog = sheet(
    t('share.title'),
    'share-dialog',
    h(
      'div',
      { class: 'fields' },
      canvas,
      field(t('share.link'), h('div', { class: 'row' }, input, copy)),
      says,
      owner && invite,
      local && h('p', { class: 'hint warn' }, t('share.loopback', { host: location.host }), ...command()),
    ),
  );
  show(dialog);
  input.select();
}

/** What opens the page to the house; its lines end between the words. */
function command() {
  return ['kaiwa serve', '--host 0.0.0.0', '--tls'].flatMap((words) => [' ', h('code', {}, words)]);
}

/** @param {HTMLCanvasElement} canvas @param {string} text */
function paint(canvas, text) {
  /** @type {{size: number, get: (x: number, y: number) => boolean}} */
  const code = /** @type {any} */ (generate)(text);
  const size = code.size + 2 * QUIET;
  canvas.width = canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.fillStyle = '#fff'; // dark on light, whatever the theme: readers expect it
  context.fillRect(0, 0, size, size);
  context.fillStyle = '#000';
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (code.get(x, y)) context.fillRect(x + QUIET, y + QUIET, 1, 1);
    }
  }
}
