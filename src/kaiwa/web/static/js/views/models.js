/** The models of this server: what is here and in use, fetching others, trying them. */

/** @import {ModelUse, Models, Pull, Weights} from '../types.js' */
/** @import {Controller} from '../controller.js' */
/** @import {MessageKey} from '../i18n.js' */
import { ApiError } from '../api.js';
import { Microphone, MicrophoneError } from '../audio/microphone.js';
import { openSource } from '../audio/sources.js';
import { h, icon } from '../dom.js';
import { bytes, languageName, locale, t } from '../i18n.js';
import { pause } from '../pause.js';
import { preferences } from '../prefs.js';
import { reasonOf } from '../trouble.js';
import { field, option, sheet, show } from './dialog.js';

const LOOK_MS = 1000; // how often a pull, or a load, is asked how far it is
const SPEAK_MS = 4000; // of sound to try the recogniser with
/** @type {ModelUse[]} */
const USES = ['speech', 'chat', 'turn'];

/** @param {Controller} controller */
export function openModels(controller) {
  const { api } = controller;
  const lists = h('div', { class: 'models' }, h('p', { class: 'quiet' }, t('models.loading')));
  const pulling = h('div', { class: 'pulling', tabindex: -1, 'data-testid': 'pull' });
  const said = h('p', { class: 'visually-hidden', role: 'status' });
  /** @type {Models | null} */
  let known = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const closed = new AbortController();

  const read = async () => {
    try {
      known = await api.models();
    } catch (error) {
      lists.replaceChildren(h('p', { class: 'form-error' }, reasonOf(error)));
      return;
    }
    draw(known);
    tell(known.pull, known.may_pull);
    if (known.pull?.state === 'going') look();
    const coming = known.weights.find(({ loading }) => loading);
    if (coming) await wait(coming.name);
  };

  /** @param {Models} models */
  const draw = (models) => {
    const focused = lists.contains(document.activeElement);
    lists.replaceChildren(...sections(controller, models, { begin, change }));
    if (focused) pulling.focus();
  };

  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const answer = await api.pull().catch(() => null);
      if (!dialog.isConnected) return;
      if (answer) tell(answer.pull, known?.may_pull ?? false);
      if (!answer || answer.pull?.state === 'going') look();
      else await read();
    }, LOOK_MS);
  };

  /** @param {ModelUse} use @param {string} name */
  const begin = async (use, name) => {
    try {
      tell((await api.beginPull(use, name)).pull, true);
      look();
    } catch (error) {
      pulling.replaceChildren(h('p', { class: 'form-error', role: 'alert' }, reasonOf(error)));
    }
  };

  /** @param {string} name of a recogniser that is here */
  const change = (name) => wait(name, api.changeRecogniser(name));

  /**
   * As long as the server loads them, which for large weights outlasts any one request.
   * @param {string} name
   * @param {Promise<unknown>} [asked]
   */
  const wait = async (name, asked = Promise.resolve()) => {
    const doing = t('models.changing', { name });
    pulling.replaceChildren(h('p', {}, doing), h('progress', { 'aria-label': doing }));
    pulling.focus();
    for (const button of lists.querySelectorAll('button')) button.disabled = true;
    const error = await asked.then(
      () => null,
      (reason) => (reason instanceof ApiError ? reason.message : reasonOf(reason)),
    );
    known = await loaded();
    if (!known) return;
    if (known.weights.some((each) => each.name === name && each.in_use)) {
      said.textContent = t('models.changed', { name });
      pulling.replaceChildren(h('p', {}, said.textContent));
    } else {
      pulling.replaceChildren(
        h('p', { class: 'form-error', role: 'alert' }, t('models.unchanged', { name })),
        ...(error ? [h('details', {}, h('summary', {}, t('models.details')), h('pre', {}, error))] : []),
      );
    }
    draw(known);
  };

  /** The models, once none is being loaded; null if the dialog has been closed meanwhile. */
  const loaded = async () => {
    while (dialog.isConnected) {
      const models = await api.models().catch(() => null);
      if (models && !models.weights.some(({ loading }) => loading)) return models;
      await pause(LOOK_MS, closed.signal);
    }
    return null;
  };

  /** @param {Pull | null} pull @param {boolean} mayStop */
  const tell = (pull, mayStop) => {
    const begins = pull?.state === 'going' && !pulling.firstChild;
    pulling.replaceChildren(...(pull ? drawPull(pull, mayStop ? () => api.stopPull().catch(() => {}) : null) : []));
    if (begins) pulling.scrollIntoView({ block: 'nearest' });
    const news = pull && t(`models.${pull.state}`, { name: pull.name });
    if (news && said.textContent !== news) said.textContent = news;
  };

  const dialog = sheet(
    t('models.title'),
    'models-dialog',
    h('div', { class: 'fields' }, pulling, said, lists, trySpeech(controller), tryChat(controller)),
  );
  dialog.addEventListener('close', () => {
    clearTimeout(timer);
    closed.abort();
  });
  show(dialog);
  void read();
}

/**
 * @param {Controller} controller
 * @param {Models} known
 * @param {{begin: (use: ModelUse, name: string) => void, change: (name: string) => void}} on
 */
function sections(controller, known, { begin, change }) {
  const { chat, weights, may_pull: mayPull, may_change: mayChange } = known;
  const embedded = chat.kind === 'embedded';
  const elsewhere = embedded
    ? []
    : chat.models.map(({ name, size }, i) => row({ name, bytes: size, in_use: i === 0, loading: false, installed: true }));
  const parts = USES.map((use) =>
    h(
      'section',
      {},
      h('h3', {}, t(`models.${use}`)),
      h(
        'ul',
        {},
        ...(use === 'chat' ? elsewhere : []),
        ...weights
          .filter((each) => each.use === use && (embedded || use !== 'chat'))
          .map((each) =>
            row(each, {
              pull: mayPull ? () => begin(use, each.name) : null,
              change: mayChange && use === 'speech' ? () => change(each.name) : null,
            }),
          ),
      ),
      use === 'chat' && chat.error && h('p', { class: 'form-error' }, chat.error.message),
      use === 'chat' && chat.kind === 'ollama' && h('p', { class: 'hint' }, t('models.ollama')),
    ),
  );
  const languages = [...new Set(controller.state.voices.map(({ language }) => language))];
  const voices = h(
    'section',
    {},
    h('h3', {}, t('models.voices')),
    h(
      'ul',
      {},
      ...languages.map((language) => {
        const names = controller.state.voices.filter((v) => v.language === language).map((v) => v.name);
        return h('li', {}, h('span', { class: 'model-name' }, languageName(language), h('small', {}, names.join(', '))));
      }),
    ),
  );
  return [...parts, voices, mayPull ? another(chat.kind === 'ollama', begin) : h('p', { class: 'hint' }, t('models.owner'))];
}

/**
 * @param {Pick<Weights, 'name' | 'bytes' | 'installed' | 'in_use' | 'loading'>} model
 * @param {{pull?: (() => void) | null, change?: (() => void) | null}} [on]
 */
function row(model, { pull, change } = {}) {
  const state = model.in_use ? 'inUse' : model.loading ? 'loading' : model.installed ? 'installed' : 'missing';
  return h(
    'li',
    { 'data-model': model.name, 'data-state': state },
    h(
      'span',
      { class: 'model-name' },
      model.name,
      h('small', {}, [model.bytes ? bytes(model.bytes) : '', t(`models.${state}`)].filter(Boolean).join(' · ')),
    ),
    state === 'missing' &&
      pull &&
      h(
        'button',
        { class: 'soft', type: 'button', 'aria-label': t('models.pullName', { name: model.name }), onclick: pull },
        icon('save'),
        t('models.pull'),
      ),
    state === 'installed' &&
      change &&
      h(
        'button',
        { class: 'soft', type: 'button', 'aria-label': t('models.changeName', { name: model.name }), onclick: change },
        icon('check'),
        t('models.change'),
      ),
  );
}

/** @param {boolean} ollama @param {(use: ModelUse, name: string) => void} begin */
function another(ollama, begin) {
  const use = h('select', { 'aria-label': t('models.use') }, option('speech', t('models.speech')), option('chat', t('models.chat')));
  use.hidden = !ollama;
  const name = h('input', {
    id: 'model-name',
    required: true,
    maxlength: 200,
    autocapitalize: 'off',
    spellcheck: false,
    placeholder: 'owner/name',
    'data-testid': 'model-name',
  });
  return h(
    'form',
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        begin(/** @type {ModelUse} */ (use.value), name.value.trim());
      },
    },
    field(
      t('models.another'),
      h('div', { class: 'row' }, name, use, h('button', { class: 'soft', type: 'submit', 'data-testid': 'pull-begin' }, t('models.pull'))),
      h('p', { class: 'hint' }, t('models.anotherHint')),
    ),
  );
}

/** @param {Pull} pull @param {(() => void) | null} stop */
function drawPull(pull, stop) {
  const { state, name, total, error } = pull;
  /** @type {HTMLElement[]} */
  const parts = [h('p', {}, t(`models.${state}`, { name }))];
  if (state === 'going') {
    const far = total ? `${bytes(pull.bytes)} / ${bytes(total)}` : t('models.contact');
    parts.push(
      h(
        'div',
        { class: 'row' },
        h('progress', { max: total || null, value: total ? pull.bytes : null, 'aria-label': name }),
        h('span', { class: 'quiet' }, far),
        stop && h('button', { class: 'soft', type: 'button', 'data-testid': 'pull-stop', onclick: stop }, t('dock.stop')),
      ),
    );
  }
  if (error) {
    parts.push(h('p', { class: 'form-error' }, reasonOf(new ApiError(0, error.code, error.message, false))));
    parts.push(h('details', {}, h('summary', {}, t('models.details')), h('pre', {}, error.message)));
  }
  return parts;
}

/** A few seconds of one's own voice, and what the recogniser makes of them. @param {Controller} controller */
function trySpeech(controller) {
  const result = h('output', { class: 'tried', 'data-testid': 'tried-speech' });
  const button = h(
    'button',
    {
      class: 'soft',
      type: 'button',
      'data-testid': 'try-speech',
      onclick: () =>
        trial(button, result, 'models.speak', async () => {
          const sound = await record(SPEAK_MS, () => (result.textContent = t('models.recognising')));
          return controller.api.trySpeech(sound, locale());
        }),
    },
    icon('mic'),
    t('models.trySpeech'),
  );
  return h('section', { class: 'trial' }, h('h3', {}, t('models.try')), button, result);
}

/** @param {Controller} controller */
function tryChat(controller) {
  const result = h('output', { class: 'tried', 'data-testid': 'tried-chat' });
  const text = h('input', { id: 'try-text', maxlength: 500, required: true, 'data-testid': 'try-text' });
  text.value = t('models.sentence');
  const button = h('button', { class: 'soft', type: 'submit', 'data-testid': 'try-chat' }, icon('spark'), t('models.ask'));
  return h(
    'form',
    {
      class: 'trial',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void trial(button, result, 'models.thinking', () => controller.api.tryChat(text.value.trim()));
      },
    },
    field(t('models.tryChat'), h('div', { class: 'row' }, text, button)),
    result,
  );
}

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLOutputElement} result
 * @param {MessageKey} meanwhile
 * @param {() => Promise<{text: string, ms: number}>} act
 */
async function trial(button, result, meanwhile, act) {
  if (button.disabled) return;
  button.disabled = true;
  result.textContent = t(meanwhile);
  try {
    const { text, ms } = await act();
    const seconds = (ms / 1000).toFixed(1);
    result.replaceChildren(text || t('models.nothing'), h('small', {}, t('timing.seconds', { s: seconds })));
  } catch (error) {
    result.textContent = error instanceof MicrophoneError ? t(`error.mic.${error.code}`) : reasonOf(error);
  } finally {
    button.disabled = false;
  }
}

/** @param {number} ms @param {() => void} onEnd @returns {Promise<Blob>} L16 */
async function record(ms, onEnd) {
  const microphone = await Microphone.open(preferences().microphone);
  try {
    const source = await openSource(microphone, 'pcm');
    setTimeout(() => source.stop(), ms);
    const sound = await new Response(source.bytes).blob();
    onEnd();
    return sound;
  } finally {
    microphone.close();
  }
}
