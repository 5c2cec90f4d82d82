/** The door: sign in, or make an account. */

/** @import {Controller} from '../controller.js' */
import { ApiError } from '../api.js';
import { brandIcon, h } from '../dom.js';
import { hasMessage, t } from '../i18n.js';

const MIN_PASSWORD = 8; // characters, as the server has it

export class SignInView {
  #registering = false;
  #busy = false;
  #name = h('input', {
    id: 'signin-name',
    name: 'username',
    required: true,
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: 60,
    'data-testid': 'signin-name',
  });
  #password = h('input', {
    id: 'signin-password',
    type: 'password',
    name: 'password',
    required: true,
    'aria-describedby': 'password-hint',
    'data-testid': 'signin-password',
  });
  #hint = h('p', { class: 'hint', id: 'password-hint' }, t('signin.hint'));
  #title = h('h2');
  #error = h('p', { class: 'form-error', role: 'alert' });
  #submit = h('button', { class: 'primary', type: 'submit', 'data-testid': 'signin-submit' });
  #toggle = h('button', {
    class: 'link',
    type: 'button',
    'data-testid': 'register-toggle',
    onclick: () => {
      this.#registering = !this.#registering;
      this.#draw();
    },
  });

  /** @param {Controller} controller @param {HTMLElement} languages */
  constructor(controller, languages) {
    this.controller = controller;
    this.element = h(
      'main',
      { class: 'door', tabindex: -1 },
      h(
        'div',
        { class: 'door-card' },
        h('h1', { class: 'brand' }, brandIcon(), 'kaiwa'),
        h('p', { class: 'tagline' }, t('app.tagline')),
        h(
          'form',
          {
            onsubmit: (/** @type {Event} */ event) => {
              event.preventDefault();
              void this.#send();
            },
          },
          this.#title,
          h('label', { for: 'signin-name' }, t('signin.name')),
          this.#name,
          h('label', { for: 'signin-password' }, t('signin.password')),
          this.#password,
          this.#hint,
          this.#error,
          this.#submit,
        ),
        this.#toggle,
      ),
      languages,
    );
    this.#draw();
  }

  #draw() {
    const r = this.#registering;
    this.#title.textContent = t(r ? 'signin.register' : 'signin.title');
    this.#submit.textContent = t(r ? 'signin.create' : 'signin.submit');
    this.#toggle.textContent = t(r ? 'signin.toLogin' : 'signin.toRegister');
    this.#password.autocomplete = r ? 'new-password' : 'current-password';
    this.#password.minLength = r ? MIN_PASSWORD : 0;
    this.#hint.hidden = !r;
    this.#error.textContent = '';
  }

  async #send() {
    if (this.#busy) return;
    this.#busy = true;
    this.#submit.disabled = true;
    this.#error.textContent = '';
    try {
      const how = this.#registering ? 'register' : 'login';
      await this.controller.signIn(how, this.#name.value.trim(), this.#password.value);
    } catch (error) {
      this.#error.textContent = reason(error);
      this.#password.focus();
    } finally {
      this.#busy = false;
      this.#submit.disabled = false;
    }
  }

  update() {}
}

/** @param {unknown} error */
function reason(error) {
  if (!(error instanceof ApiError)) return t('error.signin.failed');
  if (error.status === 401) return t('signin.wrong');
  if (error.status === 409) return t('signin.taken');
  const key = `error.${error.code}`;
  return hasMessage(key) ? t(key) : error.message;
}
