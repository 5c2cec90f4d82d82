/** Sound and display: what this browser's reader likes. Every change counts at once. */

/** @import {Preferences} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { microphones } from '../audio/microphone.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { prefer, preferences } from '../prefs.js';
import { field, option, sheet, show, slider } from './dialog.js';
import { MicTrial } from './mic-trial.js';

/** @param {Controller} controller */
export function openPreferences(controller) {
  const now = preferences();
  const microphone = h('select', {
    id: 'pref-microphone',
    'data-testid': 'pref-microphone',
    onchange: () => {
      prefer({ microphone: microphone.value });
      controller.mic.change();
      trial.change();
    },
  });
  const named = h('p', { class: 'hint', hidden: true }, t('prefs.micHint'));
  const list = async () => {
    const all = await microphones();
    named.hidden = all.length > 0;
    microphone.replaceChildren(
      option('', t('prefs.usual')),
      ...all.map(({ id, name }) => option(id, name)),
    );
    const chosen = preferences().microphone;
    microphone.value = all.some(({ id }) => id === chosen) ? chosen : '';
  };
  const trial = new MicTrial(controller, () => void list());
  const dialog = sheet(
    t('prefs.title'),
    'prefs-dialog',
    h(
      'div',
      { class: 'fields' },
      field(
        t('prefs.microphone'),
        h('div', { class: 'row' }, microphone, trial.button),
        trial.element,
        named,
      ),
      slider(
        'pref-volume',
        t('prefs.volume'),
        { min: 0, max: 1, step: 0.05, value: now.volume },
        (value) => `${Math.round(value * 100)}%`,
        (value) => prefer({ volume: value }),
      ),
      choice('theme', t('prefs.theme'), {
        system: t('theme.system'),
        light: t('theme.light'),
        dark: t('theme.dark'),
      }),
      choice('text', t('prefs.text'), {
        normal: t('text.normal'),
        large: t('text.large'),
        larger: t('text.larger'),
      }),
      h('p', { class: 'hint' }, t('prefs.keys')),
    ),
  );
  void list();
  const plugged = new AbortController();
  navigator.mediaDevices?.addEventListener('devicechange', list, { signal: plugged.signal });
  dialog.addEventListener('close', () => {
    plugged.abort();
    trial.close();
  });
  show(dialog);
}

/**
 * @param {'theme' | 'text'} name
 * @param {string} label
 * @param {Record<string, string>} options
 */
function choice(name, label, options) {
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', {}, label),
    h(
      'div',
      {},
      ...Object.entries(options).map(([value, text]) =>
        h(
          'label',
          {},
          h('input', {
            type: 'radio',
            name: `pref-${name}`,
            value,
            checked: preferences()[name] === value,
            'data-testid': `pref-${name}-${value}`,
            onchange: () => prefer(/** @type {Partial<Preferences>} */ ({ [name]: value })),
          }),
          h('span', {}, text),
        ),
      ),
    ),
  );
}
