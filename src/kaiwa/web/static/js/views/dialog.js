/** Dialogs: a heading, what is in them, and how they close. */

import { h, icon } from '../dom.js';
import { t } from '../i18n.js';

/**
 * @param {string} title
 * @param {string} testid
 * @param {...(Node | false | null)} content
 */
export function sheet(title, testid, ...content) {
  const dialog = h(
    'dialog',
    { class: 'sheet', 'aria-labelledby': `${testid}-title`, 'data-testid': testid },
    h(
      'div',
      { class: 'sheet-body' },
      h(
        'header',
        {},
        h('h2', { id: `${testid}-title` }, title),
        h(
          'button',
          {
            class: 'plain round',
            type: 'button',
            'aria-label': t('settings.close'),
            'data-testid': 'close-dialog',
            onclick: () => dialog.close(),
          },
          icon('close'),
        ),
      ),
      ...content,
    ),
    // A modal dialog hides what is announced outside of it.
    h('div', { class: 'sheet-notice form-error', role: 'alert' }),
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
  return dialog;
}

/** @param {HTMLDialogElement} dialog */
export function show(dialog) {
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {string} label @param {HTMLElement} control @param {...(Node | false | null)} more */
export function field(label, control, ...more) {
  const id = control.id || control.querySelector('[id]')?.id; // it may stand in a row with others
  return h('div', { class: 'field' }, h('label', { for: id }, label), control, ...more);
}

/**
 * @param {string} id also the test's
 * @param {string} label
 * @param {{min: number, max: number, step: number, value: number}} range
 * @param {(value: number) => string} shown
 * @param {(value: number) => void} onInput
 */
export function slider(id, label, { min, max, step, value }, shown, onInput) {
  const output = h('output', { for: id }, shown(value));
  const input = h('input', {
    type: 'range',
    id,
    'data-testid': id,
    min,
    max,
    step,
    value,
    'aria-valuetext': shown(value),
    oninput: () => {
      const now = Number(input.value);
      output.textContent = shown(now);
      input.setAttribute('aria-valuetext', output.textContent);
      onInput(now);
    },
  });
  return field(label, h('div', { class: 'row' }, input, output));
}

/** @param {string} value @param {string} text */
export function option(value, text) {
  return h('option', { value }, text);
}
