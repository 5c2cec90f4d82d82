/** A talk's settings, in a dialog; and its end, after one more question. */

/** @import {Talk, TalkSettings, Voice} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { h, icon } from '../dom.js';
import { languageName, t } from '../i18n.js';
import { titleOf } from './sidebar.js';

const LANGUAGES = ['ja', 'en', 'zh', 'ko', 'fr', 'de', 'es', 'it', 'pt', 'ru', 'vi', 'id', 'th', 'hi'];
/** @type {TalkSettings['mode'][]} */
const MODES = ['button', 'hands-free', 'name'];

/**
 * Opens the dialog; it removes itself when it closes.
 *
 * @param {Controller} controller
 * @param {Talk} talk as it is now
 */
export function openSettings(controller, talk) {
  const readOnly = talk.role === 'listener';
  const fields = {
    title: h('input', { name: 'title', maxlength: 200, placeholder: t('talk.untitled') }),
    language: choice('language', languageOptions(talk.language)),
    mode: choice(
      'mode',
      MODES.map((mode) => option(mode, t(`mode.${mode}`))),
    ),
    voice: choice('voice', voiceOptions(controller.state.voices, talk)),
    agent_name: h('input', { name: 'agent_name', maxlength: 60, required: true }),
    instructions: h('textarea', {
      name: 'instructions',
      rows: 4,
      maxlength: 8000,
      placeholder: t('settings.instructionsHint'),
    }),
  };
  const names = /** @type {(keyof typeof fields)[]} */ (Object.keys(fields));
  for (const name of names) {
    fields[name].value = talk[name];
    fields[name].id = `setting-${name}`;
    fields[name].disabled = readOnly;
    fields[name].dataset.testid = `setting-${name}`;
  }

  const save = async () => {
    /** @type {Record<string, string>} */
    const changed = {};
    for (const name of names) {
      const value = fields[name].value.trim();
      if (value !== talk[name]) changed[name] = value;
    }
    const nothing = Object.keys(changed).length === 0;
    if (nothing || (await controller.changeTalk(talk.id, changed))) dialog.close();
  };

  const dialog = h(
    'dialog',
    { class: 'sheet', 'aria-labelledby': 'settings-title', 'data-testid': 'settings-dialog' },
    h(
      'form',
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          void save();
        },
      },
      h(
        'header',
        {},
        h('h2', { id: 'settings-title' }, t('settings.title')),
        h(
          'button',
          {
            class: 'plain round',
            type: 'button',
            'aria-label': t('settings.close'),
            onclick: () => dialog.close(),
          },
          icon('close'),
        ),
      ),
      h(
        'div',
        { class: 'fields' },
        field(t('settings.name'), fields.title),
        field(t('settings.language'), fields.language),
        field(t('settings.mode'), fields.mode),
        field(t('settings.voice'), fields.voice),
        field(t('settings.agent'), fields.agent_name),
        field(t('settings.instructions'), fields.instructions),
        talk.role === 'owner' &&
          h(
            'button',
            {
              class: 'danger-link',
              type: 'button',
              'data-testid': 'delete-talk',
              onclick: () => {
                dialog.close();
                confirmDelete(controller, talk);
              },
            },
            t('settings.delete'),
          ),
      ),
      !readOnly &&
        h(
          'footer',
          {},
          h(
            'button',
            { class: 'soft', type: 'button', onclick: () => dialog.close() },
            t('settings.cancel'),
          ),
          h(
            'button',
            { class: 'primary', type: 'submit', 'data-testid': 'settings-save' },
            t('settings.save'),
          ),
        ),
    ),
  );
  show(dialog);
}

/** @param {Controller} controller @param {Talk} talk */
function confirmDelete(controller, talk) {
  const dialog = h(
    'dialog',
    { class: 'sheet small', role: 'alertdialog', 'aria-labelledby': 'delete-title' },
    h('h2', { id: 'delete-title' }, t('delete.title')),
    h('p', {}, t('delete.text', { title: titleOf(talk) })),
    h(
      'footer',
      {},
      h(
        'button',
        { class: 'soft', type: 'button', autofocus: true, onclick: () => dialog.close() },
        t('settings.cancel'),
      ),
      h(
        'button',
        {
          class: 'danger',
          type: 'button',
          'data-testid': 'delete-confirm',
          onclick: () => {
            dialog.close();
            void controller.deleteTalk(talk.id);
          },
        },
        t('delete.confirm'),
      ),
    ),
  );
  show(dialog);
}

/** @param {HTMLDialogElement} dialog */
function show(dialog) {
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {string} label @param {HTMLElement} control */
function field(label, control) {
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control);
}

/** @param {string} name @param {HTMLElement[]} options */
function choice(name, options) {
  return h('select', { name }, ...options);
}

/** @param {string} value @param {string} text */
function option(value, text) {
  return h('option', { value }, text);
}

/** @param {string} now */
function languageOptions(now) {
  const codes = LANGUAGES.includes(now) || now === 'auto' ? LANGUAGES : [now, ...LANGUAGES];
  return [
    option('auto', t('settings.auto')),
    ...codes.map((code) => option(code, languageName(code))),
  ];
}

/** The talk's own language first. @param {Voice[]} voices @param {Talk} talk */
function voiceOptions(voices, talk) {
  const languages = [...new Set(voices.map((voice) => voice.language))];
  languages.sort((a, b) => Number(b === talk.language) - Number(a === talk.language));
  const groups = languages.map((language) =>
    h(
      'optgroup',
      { label: languageName(language) },
      ...voices
        .filter((voice) => voice.language === language)
        .map((voice) => option(voice.id, `${voice.name} (${voice.engine})`)),
    ),
  );
  const special = h(
    'optgroup',
    { label: t('voice.special') },
    option('auto', t('voice.auto')),
    option('browser', t('voice.browser')),
    option('none', t('voice.none')),
  );
  const known = ['auto', 'browser', 'none', ...voices.map((voice) => voice.id)];
  const missing = known.includes(talk.voice) ? [] : [option(talk.voice, talk.voice)];
  return [special, ...groups, ...missing];
}
