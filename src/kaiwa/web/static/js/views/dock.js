/** The bar at the bottom: the microphone, the agent, the keyboard. */

/** @import {ControlState} from '../types.js' */
/** @import {Controller} from '../controller.js' */
/** @import {MessageKey} from '../i18n.js' */
import { controlState } from '../core/control.js';
import { isSpeaking } from '../core/people.js';
import { goingReply } from '../core/state.js';
import { outputLevel, unlockSound } from '../audio/playback.js';
import { composing, h, icon, setText } from '../dom.js';
import { t } from '../i18n.js';
import { MeterView } from './meter.js';
import { openPreferences } from './dialogs.js';

/** @type {Partial<Record<ControlState, string>>} */
const FACES = { muted: 'mic-off', thinking: 'dots', speaking: 'wave' };

export class DockView {
  #meter = new MeterView();
  #mic;
  #ask;
  #askText = h('span');
  #stop;
  #mute;
  #handsFree;
  #hear;
  #status = h('p', { class: 'status', role: 'status', 'data-testid': 'status' });
  #hint = h('p', { class: 'space-hint' }, h('kbd', {}, 'Space'), t('dock.space'));
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
      if (event.key !== 'Enter' || event.shiftKey || composing(event)) return;
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
  #face = '';

  /** @param {Controller} controller */
  constructor(controller) {
    this.controller = controller;
    const end = () => controller.mic.release();
    this.#mic = h('button', {
      class: 'mic',
      type: 'button',
      'data-testid': 'mic',
      'aria-pressed': 'false',
      onpointerdown: (/** @type {PointerEvent} */ event) => {
        if (event.button !== 0) return;
        this.#mic.setPointerCapture(event.pointerId);
        controller.mic.press();
      },
      onpointerup: end,
      onpointercancel: end,
      oncontextmenu: (/** @type {Event} */ event) => event.preventDefault(), // a long touch
      onclick: (/** @type {MouseEvent} */ event) => {
        if (event.detail !== 0) return; // the pointer has been there
        controller.mic.press(); // a screen reader, or Enter
        controller.mic.release();
      },
    });
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
      h('span', {}, t('dock.stop')),
    );
    this.#mute = h(
      'button',
      {
        class: 'tool',
        type: 'button',
        hidden: true,
        'data-testid': 'mute',
        onclick: () => controller.mic.mute(!controller.state.muted),
      },
      icon('mic-off'),
    );
    const tune = h(
      'button',
      {
        class: 'tool tune',
        type: 'button',
        'data-testid': 'prefs',
        'aria-label': t('prefs.open'),
        title: t('prefs.open'),
        onclick: () => openPreferences(controller),
      },
      icon('tune'),
    );
    this.#handsFree = h(
      'button',
      {
        class: 'switch',
        type: 'button',
        'aria-pressed': 'false',
        title: t('talk.handsFreeHint'),
        'data-testid': 'hands-free',
        onclick: () => controller.toggleHandsFree(),
      },
      h('span', { class: 'knob', 'aria-hidden': 'true' }),
      t('talk.handsFree'),
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
      h('div', { class: 'side left' }, this.#handsFree, this.#ask),
      h('div', { class: 'mic-place' }, this.#meter.element, this.#mic),
      h('div', { class: 'side right' }, this.#stop, this.#mute, tune),
    );
    this.element = h(
      'section',
      { class: 'dock', 'aria-label': t('dock.label') },
      this.#hear,
      this.#readOnly,
      this.#status,
      this.#controls,
      this.#hint,
      this.#form,
    );
  }

  update() {
    const { state, session } = this.controller;
    const talk = session?.state ?? null;
    const listener = talk?.role === 'listener';
    const going = talk ? talk.asking || goingReply(talk) !== null : false;
    const waiting = state.sound === 'waiting';
    const sounding = !waiting && (state.sound === 'playing' || talk?.playing != null);
    const hearing = talk !== null && isSpeaking(talk, talk.me);
    const { mic, muted } = state;
    const shown = controlState({ mic, muted, hearing, thinking: going || waiting, speaking: sounding });
    const root = document.documentElement.dataset;
    root.micState = mic === 'listening' && hearing ? 'hearing' : mic;
    root.control = shown;
    root.stream = state.stream === 'live' ? 'live' : 'connecting';

    const off = mic === 'asleep' || mic === 'finishing';
    this.#mic.dataset.state = shown;
    this.#mic.dataset.on = String(!off && !muted);
    this.#mic.setAttribute('aria-pressed', String(!off && !muted));
    this.#mic.setAttribute('aria-label', t(off ? 'mic.start' : muted ? 'dock.unmute' : 'mic.stop'));
    this.#drawFace(FACES[shown] ?? 'mic');
    const heard = this.controller.mic.analyser ?? (shown === 'speaking' ? outputLevel() : null);
    this.#meter.listen(muted ? null : heard);

    this.#hide(this.#mute, off || muted);
    this.#mute.setAttribute('aria-label', t('dock.mute'));
    this.#mute.title = t('dock.mute');
    this.#hide(this.#stop, !going && !waiting && !sounding);
    this.#ask.setAttribute('aria-disabled', String(!talk || going)); // the focus may stay on it
    const agent = talk?.settings.agent_name || 'AI';
    setText(this.#askText, t('dock.ask', { name: agent }));
    this.#hear.hidden = state.sound !== 'blocked';
    this.#handsFree.hidden = !state.openId;
    const handsFree = talk?.settings.mode === 'hands-free';
    this.#handsFree.setAttribute('aria-pressed', String(handsFree));
    this.element.dataset.call = String(handsFree && !off);

    this.#controls.hidden = listener;
    this.#form.hidden = listener || !state.openId;
    this.#ask.hidden = !state.openId;
    this.#readOnly.hidden = !listener;
    const said = talk?.entries.some((entry) => entry.kind !== 'note') ?? false;
    const unknown = state.openId !== null && !talk?.ready;
    this.#hint.hidden = listener || said || unknown || mic !== 'asleep';
    const { key, values } = this.#statusNow(shown, agent);
    setText(this.#status, t(key, values));
    this.#status.dataset.status = key.replace('status.', '');
  }

  /** A button that goes leaves its focus to the big one. @param {HTMLElement} button @param {boolean} hidden */
  #hide(button, hidden) {
    if (hidden && button === document.activeElement) this.#mic.focus();
    button.hidden = hidden;
  }

  /** @param {string} name */
  #drawFace(name) {
    if (this.#face === name) return;
    this.#face = name;
    const bars = Array.from({ length: 4 }, () => h('i'));
    const moving = name === 'wave' || name === 'dots';
    this.#mic.replaceChildren(
      moving ? h('span', { class: `face ${name}`, 'aria-hidden': 'true' }, ...bars) : icon(name),
    );
  }

  /**
   * @param {ControlState} shown
   * @param {string} name
   * @returns {{key: MessageKey, values?: Record<string, string>}}
   */
  #statusNow(shown, name) {
    const { state, session } = this.controller;
    const away = state.stream === 'connecting' && session?.state.ready;
    if (away && ['asleep', 'thinking', 'finishing'].includes(shown)) return { key: 'status.offline' };
    if (shown === 'thinking' && session && (state.sound === 'waiting' || goingReply(session.state)?.text)) {
      return { key: 'status.answering', values: { name } };
    }
    const call = shown === 'listening' && session?.state.settings.mode === 'hands-free';
    return { key: call ? 'status.handsFree' : `status.${shown}`, values: { name } };
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
