/** How loud the chosen microphone hears: the one that is on, else one that is opened to try it. */

/** @import {Controller} from '../controller.js' */
/** @import {MessageKey} from '../i18n.js' */
import { level } from '../audio/level.js';
import { Microphone, MicrophoneError } from '../audio/microphone.js';
import { h, setText } from '../dom.js';
import { t } from '../i18n.js';
import { preferences } from '../prefs.js';

export class MicTrial {
  #line = h('i');
  #scale = h('span', { 'aria-hidden': 'true' }, this.#line);
  #says = h('p', { class: 'hint', role: 'status', 'data-testid': 'mic-trial' });
  element = h('div', { class: 'mic-trial' }, this.#scale, this.#says);
  button = h('button', {
    class: 'soft',
    type: 'button',
    'data-testid': 'try-microphone',
    onclick: () => (this.#going ? this.close() : void this.open()),
  });
  /** @type {object | null} the trial that is going on */
  #going = null;
  /** @type {Microphone | null} */
  #microphone = null;

  /** @param {Controller} controller @param {() => void} onOpen their names are known now */
  constructor(controller, onOpen) {
    this.controller = controller;
    this.onOpen = onOpen;
    if (controller.mic.analyser) this.#tell('prefs.hearing');
    requestAnimationFrame(this.#draw);
  }

  /** Tries another one, if one is being tried. */
  change() {
    if (this.#going) void this.open();
  }

  async open() {
    this.close();
    const going = (this.#going = {});
    this.#tell('status.opening');
    try {
      const microphone = await Microphone.open(preferences().microphone);
      if (this.#going !== going) return microphone.close();
      this.#microphone = microphone;
      this.#tell('prefs.hearing');
      this.onOpen();
    } catch (error) {
      if (this.#going !== going) return;
      this.close();
      this.#tell(`error.mic.${error instanceof MicrophoneError ? error.code : 'failed'}`);
    }
  }

  close() {
    this.#going = null;
    this.#microphone?.close();
    this.#microphone = null;
    setText(this.#says, '');
  }

  #draw = () => {
    if (!this.element.isConnected) return;
    const on = this.controller.mic.analyser;
    const analyser = on ?? this.#microphone?.analyser;
    this.#line.style.scale = `${analyser ? level(analyser) : 0} 1`;
    this.#scale.hidden = !analyser;
    this.button.hidden = on !== null;
    setText(this.button, t(this.#going ? 'dock.stop' : 'prefs.try'));
    requestAnimationFrame(this.#draw);
  };

  /** @param {MessageKey} key */
  #tell(key) {
    setText(this.#says, t(key));
  }
}
