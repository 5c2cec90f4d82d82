/** A talk's settings, in a dialog. */

/** @import {Talk, TalkSettings, Voice} from '../types.js' */
/** @import {Controller} from '../controller.js' */
/** @import {MessageKey} from '../i18n.js' */
import { h, icon } from '../dom.js';
import { languageName, t } from '../i18n.js';
import { preferences } from '../prefs.js';
import { field, option, sheet, show, slider } from './dialog.js';

const LANGUAGES = ['ja', 'en', 'zh', 'ko', 'fr', 'de', 'es', 'it', 'pt', 'ru', 'vi', 'id', 'th', 'hi'];
/** @type {TalkSettings['mode'][]} */
const MODES = ['button', 'hands-free', 'name'];
const PRESETS = ['friend', 'minutes', 'teacher', 'interpreter'];

/**
 * Opens the dialog; it removes itself when it closes.
 *
 * @param {Controller} controller
 * @param {TalkSettings & Pick<Talk, 'id' | 'role'>} talk as it is now
 */
export function openSettings(controller, talk) {
  const readOnly = talk.role === 'listener';
  const fields = {
    title: h('input', { maxlength: 200, placeholder: t('talk.untitled') }),
    language: h('select', {}, ...languageOptions(talk.language)),
    vocabulary: h('textarea', { rows: 2, maxlength: 600, placeholder: t('settings.vocabularyHint') }),
    mode: h('select', {}, ...MODES.map((mode) => option(mode, t(`mode.${mode}`)))),
    voice: h('select', {}, ...voiceOptions(controller.state.voices, talk)),
    llm_model: h('select', {}, ...modelOptions([], talk.llm_model)),
    agent_name: h('input', { maxlength: 60, required: true }),
    instructions: h('textarea', {
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
  const recording = h('input', {
    type: 'checkbox',
    id: 'setting-recording',
    checked: talk.recording,
    disabled: talk.role !== 'owner',
    'aria-describedby': 'recording-hint',
    'data-testid': 'setting-recording',
  });
  const prosody = prosodySliders(controller, talk, fields.voice, readOnly);
  void listModels(controller, fields.llm_model, talk.llm_model);

  const save = async () => {
    /** @type {Record<string, string | number | boolean>} */
    const changed = prosody.changed();
    if (recording.checked !== talk.recording) changed.recording = recording.checked;
    for (const name of names) {
      const value = fields[name].value.trim();
      if (value !== talk[name]) changed[name] = value;
    }
    const nothing = Object.keys(changed).length === 0;
    if (nothing || (await controller.changeTalk(talk.id, changed))) dialog.close();
  };

  const form = h(
    'form',
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void save();
      },
    },
    h(
      'div',
      { class: 'fields' },
      field(t('settings.name'), fields.title),
      field(t('settings.language'), fields.language),
      field(t('settings.vocabulary'), fields.vocabulary),
      field(t('settings.mode'), fields.mode),
      field(t('settings.voice'), voiceRow(controller, fields.voice, prosody.now)),
      ...prosody.fields,
      field(t('settings.agent'), fields.agent_name),
      field(t('settings.instructions'), fields.instructions, !readOnly && presets(fields.instructions)),
      field(t('settings.model'), fields.llm_model),
      h(
        'div',
        { class: 'field' },
        h('label', { class: 'check' }, recording, t('settings.recording')),
        h('p', { class: 'hint', id: 'recording-hint' }, t('settings.recordingHint')),
      ),
    ),
    !readOnly &&
      h(
        'footer',
        {},
        h('button', { class: 'soft', type: 'button', onclick: () => dialog.close() }, t('settings.cancel')),
        h('button', { class: 'primary', type: 'submit', 'data-testid': 'settings-save' }, t('settings.save')),
      ),
  );
  const dialog = sheet(t('settings.title'), 'settings-dialog', form);
  show(dialog);
}

/** @param {HTMLTextAreaElement} instructions */
function presets(instructions) {
  const choose = h(
    'select',
    {
      class: 'presets',
      'aria-label': t('settings.presets'),
      'data-testid': 'presets',
      onchange: () => {
        if (choose.value) instructions.value = t(/** @type {MessageKey} */ (`preset.${choose.value}.text`));
        choose.value = '';
      },
    },
    option('', t('settings.presets')),
    ...PRESETS.map((name) => option(name, t(/** @type {MessageKey} */ (`preset.${name}.name`)))),
  );
  return choose;
}

/**
 * How fast and how high the voice speaks, as far as it can.
 * @param {Controller} controller
 * @param {TalkSettings} talk
 * @param {HTMLSelectElement} voice
 * @param {boolean} readOnly
 */
function prosodySliders(controller, talk, voice, readOnly) {
  const now = { voice_speed: talk.voice_speed, voice_pitch: talk.voice_pitch };
  const speed = slider(
    'setting-voice_speed',
    t('settings.speed'),
    { min: 0.5, max: 2, step: 0.1, value: now.voice_speed },
    (value) => `×${value.toFixed(1)}`,
    (value) => (now.voice_speed = value),
  );
  const pitch = slider(
    'setting-voice_pitch',
    t('settings.pitch'),
    { min: -12, max: 12, step: 1, value: now.voice_pitch },
    (value) => t('settings.semitones', { n: value > 0 ? `+${value}` : String(value) }),
    (value) => (now.voice_pitch = value),
  );
  const draw = () => {
    const found = controller.state.voices.find(({ id }) => id === voice.value);
    speed.hidden = voice.value === 'none' || found?.speed === false;
    pitch.hidden = voice.value !== 'browser' && !found?.pitch;
  };
  for (const input of [speed, pitch].flatMap((each) => [...each.querySelectorAll('input')])) {
    input.disabled = readOnly;
  }
  voice.addEventListener('change', draw);
  queueMicrotask(draw);
  return {
    now,
    fields: [speed, pitch],
    /** @returns {Record<string, string | number>} */
    changed: () =>
      Object.fromEntries(
        Object.entries(now).filter(([name, value]) => value !== talk[/** @type {keyof typeof now} */ (name)]),
      ),
  };
}

/**
 * The choice, and a way to hear it as it is set here.
 * @param {Controller} controller
 * @param {HTMLSelectElement} voice
 * @param {{voice_speed: number, voice_pitch: number}} prosody
 */
function voiceRow(controller, voice, prosody) {
  const sound = new Audio();
  sound.onerror = () => controller.trouble('sample.failed');
  const sample = () => controller.state.voices.find(({ id }) => id === voice.value)?.sample;
  const hear = h(
    'button',
    {
      class: 'soft round-soft',
      type: 'button',
      'aria-label': t('settings.hear'),
      title: t('settings.hear'),
      'data-testid': 'hear-voice',
      onclick: () => {
        const { voice_speed: speed, voice_pitch: pitch } = prosody;
        sound.src = `${sample()}?${new URLSearchParams({ speed: String(speed), pitch: String(pitch) })}`;
        sound.volume = preferences().volume;
        void sound.play().catch(() => {});
      },
    },
    icon('sound'),
  );
  const draw = () => {
    hear.hidden = !sample();
    sound.pause();
  };
  voice.addEventListener('change', draw);
  queueMicrotask(draw);
  return h('div', { class: 'row' }, voice, hear);
}

/** @param {Controller} controller @param {HTMLSelectElement} select @param {string} now */
async function listModels(controller, select, now) {
  const { chat } = await controller.api.models().catch(() => ({ chat: { models: [] } }));
  const value = select.value;
  select.replaceChildren(...modelOptions(chat.models.map(({ name }) => name), now));
  select.value = value;
}

/** @param {string[]} names @param {string} now */
function modelOptions(names, now) {
  const all = now && !names.includes(now) ? [now, ...names] : names;
  return [option('', t('settings.modelAuto')), ...all.map((name) => option(name, name))];
}

/** @param {string} now */
function languageOptions(now) {
  const codes = LANGUAGES.includes(now) || now === 'auto' ? LANGUAGES : [now, ...LANGUAGES];
  return [
    option('auto', t('settings.auto')),
    ...codes.map((code) => option(code, languageName(code))),
  ];
}

/** The talk's own language first. @param {Voice[]} voices @param {TalkSettings} talk */
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
