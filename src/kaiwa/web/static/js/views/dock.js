/** The bar at the bottom: the microphone, the agent, the keyboard. */

/** @import {Controller} from '../controller.js' */
/** @import {MessageKey} from '../i18n.js' */
import { goingReply, isSpeaking } from '../core/state.js';
import { unlockSound } from '../audio/playback.js';
import { h, icon, setText } from '../dom.js';
import { t } from '../i18n.js';
import { MeterView } from './meter.js';

/** @typedef {'asleep' | 'opening' | 'listening' | 'hearing' | 'reconnecting' | 'finishing'} Shown */

export class DockView {
  #meter = new MeterView();
  #mic;
  #ask;
  #askText = h('span');
  #stop;
  #hear;
  #status = h('p', { class: 'status', 'data-testid': 'status' });
  #input = h('textarea', {
    id: 'message',
    rows: 1,
    maxlength: 8000,
    enterkeyhint: 'send',
    'aria-label': t('dock.message'),
    placeholder: t('dock.message'),
    'data-testid': 'message-input',
    oninput: () => this.#fit(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      // While a Japanese word is being chosen, Enter belongs to the input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    },
  });
  #sendButton = h(
    'button',
    { class: 'send', type: 'submit', 'aria-label': t('dock.send'), 'data-testid': 'send' },
    icon('send'),
  );
  #form = h(
    'form',
    {
      class: 'message',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        this.#send();
      },
    },
    this.#input,
    this.#sendButton,
  );
  #controls;
  #readOnly = h('p', { class: 'quiet', hidden: true }, t('dock.listenOnly'));

  /** @param {Controller} controller */
  constructor(controller) {
    this.controller = controller;
    this.#mic = h(
      'button',
      {
        class: 'mic',
        type: 'button',
        'data-testid': 'mic',
        'aria-pressed': 'false',
        onclick: () => controller.toggleMicrophone(),
      },
      icon('mic'),
    );
    this.#ask = h(
      'button',
      { class: 'ask', type: 'button', 'data-testid': 'ask', onclick: () => controller.ask() },
      icon('spark'),
      this.#askText,
    );
    this.#stop = h(
      'button',
      {
        class: 'stop',
        type: 'button',
        hidden: true,
        'data-testid': 'stop',
        onclick: () => controller.session?.stop(),
      },
      icon('stop'),
      t('dock.stop'),
    );
    this.#hear = h(
      'button',
      { class: 'hear', type: 'button', hidden: true, 'data-testid': 'hear', onclick: unlockSound },
      icon('sound'),
      t('dock.hear'),
    );
    this.#controls = h(
      'div',
      { class: 'controls' },
      h('div', { class: 'side left' }, this.#ask),
      h('div', { class: 'mic-place' }, this.#meter.element, this.#mic),
      h('div', { class: 'side right' }, this.#stop),
    );
    this.element = h(
      'section',
      { class: 'dock', 'aria-label': t('dock.label') },
      this.#hear,
      this.#readOnly,
      this.#status,
      this.#controls,
      this.#form,
    );
  }

  update() {
    const { state, session, capture } = this.controller;
    const talk = session?.state ?? null;
    const listener = talk?.role === 'listener';
    const mic = this.#micState();
    const root = document.documentElement;
    root.dataset.micState = mic;
    root.dataset.stream = state.stream === 'live' ? 'live' : 'connecting';

    this.#mic.dataset.state = mic;
    this.#mic.setAttribute('aria-pressed', String(mic !== 'asleep' && mic !== 'finishing'));
    const off = mic === 'asleep' || mic === 'finishing';
    this.#mic.setAttribute('aria-label', t(off ? 'mic.start' : 'mic.stop'));
    this.#meter.listen(capture?.microphone?.analyser ?? null);

    const going = talk ? talk.asking || goingReply(talk) !== null : false;
    const sounding = state.sound !== 'idle';
    this.#stop.hidden = !going && !sounding;
    this.#ask.disabled = !talk || going;
    const agent = talk?.settings.agent_name || 'AI';
    setText(this.#askText, agent === 'AI' ? t('dock.ask') : t('dock.askName', { name: agent }));
    this.#hear.hidden = state.sound !== 'blocked';

    this.#controls.hidden = listener;
    this.#form.hidden = listener || !talk;
    this.#ask.hidden = !talk;
    this.#readOnly.hidden = !listener;
    const { key, values } = this.#statusNow(mic, agent);
    setText(this.#status, t(key, values));
    this.#status.dataset.status = key.replace('status.', '');
  }

  /** @returns {Shown} */
  #micState() {
    const { state, session } = this.controller;
    if (state.mic !== 'listening') return state.mic;
    return session && isSpeaking(session.state, session.state.me) ? 'hearing' : 'listening';
  }

  /**
   * @param {Shown} mic
   * @param {string} name
   * @returns {{key: MessageKey, values?: Record<string, string>}}
   */
  #statusNow(mic, name) {
    const { state, session } = this.controller;
    if (session && state.stream === 'connecting' && session.state.ready && mic === 'asleep') {
      return { key: 'status.offline' };
    }
    const reply = session && goingReply(session.state);
    if (mic !== 'asleep' && mic !== 'listening') return { key: `status.${mic}` };
    if (state.sound === 'playing') return { key: 'status.speaking', values: { name } };
    if (reply?.text) return { key: 'status.answering', values: { name } };
    if (reply || session?.state.asking) return { key: 'status.thinking', values: { name } };
    return { key: `status.${mic}` };
  }

  #send() {
    const text = this.#input.value.trim();
    if (!text || !this.controller.session) return;
    unlockSound();
    void this.controller.session.say(text);
    this.#input.value = '';
    this.#fit();
  }

  /** As high as its text, up to what the stylesheet allows. */
  #fit() {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
  }
}
