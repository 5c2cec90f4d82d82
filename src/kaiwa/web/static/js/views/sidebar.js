/** The talks in a list, and who is signed in. */

/** @import {Talk} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { routeHash } from '../core/route.js';
import { brandIcon, h, icon } from '../dom.js';
import { shortWhen, t } from '../i18n.js';

export class SidebarView {
  #list = h('ul', { class: 'talk-list' });
  #none = h('p', { class: 'quiet', hidden: true });
  #user = h('span', { class: 'user-name' });
  /** @type {unknown[]} */
  #drawn = [];

  /** @param {Controller} controller @param {HTMLElement} languages */
  constructor(controller, languages) {
    this.controller = controller;
    this.#none.textContent = t('talks.none');
    this.element = h(
      'nav',
      { class: 'sidebar', 'aria-label': t('talks.title') },
      h(
        'header',
        { class: 'sidebar-head' },
        h('a', { class: 'brand', href: '#/' }, brandIcon(), 'kaiwa'),
        h(
          'button',
          {
            class: 'soft',
            type: 'button',
            'data-testid': 'new-talk',
            onclick: () => controller.createTalk(),
          },
          icon('plus'),
          t('talks.new'),
        ),
      ),
      h('div', { class: 'sidebar-body' }, this.#list, this.#none),
      h(
        'footer',
        { class: 'sidebar-foot' },
        this.#user,
        languages,
        h(
          'button',
          {
            class: 'plain round',
            type: 'button',
            'data-testid': 'sign-out',
            'aria-label': t('signin.out'),
            title: t('signin.out'),
            onclick: () => controller.signOut(),
          },
          icon('exit'),
        ),
      ),
    );
  }

  update() {
    const { talks, openId, user } = this.controller.state;
    if (this.#drawn[0] === talks && this.#drawn[1] === openId && this.#drawn[2] === user) return;
    this.#drawn = [talks, openId, user];
    this.#user.textContent = user?.name ?? '';
    this.#none.hidden = talks === null || talks.length > 0;
    this.#list.replaceChildren(...(talks ?? []).map((talk) => item(talk, talk.id === openId)));
  }
}

/** @param {Talk} talk @param {boolean} open */
function item(talk, open) {
  return h(
    'li',
    {},
    h(
      'a',
      {
        href: routeHash(talk.id),
        'data-testid': 'talk-link',
        'data-talk': talk.id,
        'aria-current': open ? 'page' : null,
      },
      h('span', { class: 'talk-title' }, titleOf(talk)),
      h('time', { datetime: talk.created_at }, shortWhen(talk.created_at)),
    ),
  );
}

/** @param {{title: string}} talk */
export function titleOf(talk) {
  return talk.title || t('talk.untitled');
}
