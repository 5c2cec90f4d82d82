/** One's own account: the password, and where one is signed in. */

/** @import {Session} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { ApiError } from '../api.js';
import { h, icon } from '../dom.js';
import { locale, t } from '../i18n.js';
import { reasonOf } from '../trouble.js';
import { field, sheet, show } from './dialog.js';

const SHORTEST = 8; // as the server has it

/** @param {Controller} controller */
export function openAccount(controller) {
  const { api } = controller;
  const name = controller.state.user?.name ?? '';
  const result = h('p', { role: 'status', class: 'hint', 'data-testid': 'account-result' });
  const old = secret('password-old', 'current-password');
  const fresh = secret('password-new', 'new-password');
  fresh.required = true;
  fresh.minLength = SHORTEST;

  /** @param {() => Promise<unknown>} act @param {string} done */
  const act = async (act, done) => {
    result.className = 'hint';
    result.textContent = '';
    try {
      await act();
      result.textContent = done;
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 403;
      result.className = 'form-error';
      result.textContent = wrong ? t('account.wrong') : reasonOf(error);
    }
  };

  const list = h('ul', { class: 'members', tabindex: -1, 'data-testid': 'sessions' });
  const draw = async () => {
    const { sessions } = await api.sessions().catch(() => ({ sessions: [] }));
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...sessions.map(row));
    if (focused) list.focus();
  };

  /** @param {Session} session */
  const row = ({ id, device, seen_at: seen, current }) => {
    const called = device || t('account.unknown');
    const at = new Date(seen).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'short' });
    const end = h(
      'button',
      {
        class: 'plain round',
        type: 'button',
        'aria-label': t('account.end', { device: called }),
        onclick: () => act(() => api.endSession(id), t('account.endedOne', { device: called })).then(draw),
      },
      icon('exit'),
    );
    const quiet = h('span', { class: 'quiet' }, current ? t('account.here') : ` · ${at}`);
    return h('li', {}, h('span', { class: 'member-name' }, called, quiet), !current && end);
  };

  const form = h(
    'form',
    {
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        await act(() => api.changePassword(old.value, fresh.value), t('account.changed'));
        void draw();
        if (result.className === 'hint') form.reset();
      },
    },
    h(
      'div',
      { class: 'fields' },
      h('p', {}, t('account.name', { name })),
      // So that a password manager knows whose password this is.
      h('input', { type: 'text', autocomplete: 'username', value: name, readonly: true, hidden: true }),
      field(t('account.old'), old, h('p', { class: 'hint' }, t('account.oldHint'))),
      field(t('account.new'), fresh, h('p', { class: 'hint' }, t('account.newHint'))),
      h('button', { class: 'primary', type: 'submit', 'data-testid': 'password-save' }, t('account.change')),
      result,
      h('h3', {}, t('account.devices')),
      list,
    ),
  );
  const dialog = sheet(
    t('account.title'),
    'account-dialog',
    form,
    h(
      'footer',
      {},
      h(
        'button',
        {
          class: 'soft',
          type: 'button',
          'data-testid': 'end-others',
          onclick: () => act(() => api.endOtherSessions(), t('account.ended')).then(draw),
        },
        t('account.endOthers'),
      ),
      h(
        'button',
        {
          class: 'soft',
          type: 'button',
          onclick: () => {
            dialog.close();
            void controller.signOut();
          },
        },
        icon('exit'),
        t('signin.out'),
      ),
    ),
  );
  show(dialog);
  void draw();
}

/** @param {string} id @param {'current-password' | 'new-password'} autocomplete */
function secret(id, autocomplete) {
  return h('input', { type: 'password', id, autocomplete, 'data-testid': id });
}
