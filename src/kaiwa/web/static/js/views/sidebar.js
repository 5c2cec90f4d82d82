/** The talks in a list: found, renamed, put away, deleted; and who is signed in. */

/** @import {SearchHit, Talk} from '../types.js' */
/** @import {Controller} from '../controller.js' */
/** @import {Item} from './menu.js' */
import { routeHash } from '../core/route.js';
import { folded } from '../core/search.js';
import { brandIcon, composing, h, icon } from '../dom.js';
import { shortWhen, t, titleOf } from '../i18n.js';
import { initial } from './entries.js';
import { openMenu } from './menu.js';
import { openAccount, openModels, openPreferences, openShare } from './dialogs.js';

const TYPING_MS = 250;

export class SidebarView {
  #list = h('ul', { class: 'talk-list', 'data-testid': 'talk-list' });
  #none = h('p', { class: 'quiet', hidden: true });
  #archived = h('ul', { class: 'talk-list' });
  #archive = h('details', { class: 'archive', hidden: true }, h('summary'), this.#archived);
  #hits = h('ul', { class: 'hits', 'data-testid': 'hits' });
  #found = h('section', { hidden: true }, h('h2', {}, t('talks.found')), this.#hits);
  #find = h('input', {
    type: 'search',
    class: 'find',
    'aria-label': t('talks.find'),
    placeholder: t('talks.find'),
    maxlength: 200,
    'data-testid': 'find',
    oninput: () => this.#typed(),
  });
  #user;
  /** @type {unknown[]} */
  #drawn = [];
  /** @type {SearchHit[] | null} */
  #results = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;
  /** @type {string | null} the talk that is being renamed */
  #renaming = null;

  /** @param {Controller} controller @param {HTMLElement} languages */
  constructor(controller, languages) {
    this.controller = controller;
    this.#user = h('button', {
      class: 'plain user-name',
      type: 'button',
      'aria-haspopup': 'menu',
      'data-testid': 'user-menu',
      onclick: () => this.#openMine(),
    });
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
      h('div', { class: 'finder' }, icon('search'), this.#find),
      h('div', { class: 'sidebar-body' }, this.#list, this.#none, this.#found, this.#archive),
      h('footer', { class: 'sidebar-foot' }, this.#user, languages),
    );
  }

  update() {
    const { talks, openId, user } = this.controller.state;
    const listed = [talks, openId, this.#find.value, this.#renaming];
    const now = [user, this.#results, ...listed];
    if (now.every((value, i) => value === this.#drawn[i])) return;
    if (this.#renaming && this.#drawn.at(-1) === this.#renaming) return; // a name is being typed
    // What is being pressed is not replaced when words are found.
    const same = listed.every((value, i) => value === this.#drawn[i + 2]);
    this.#drawn = now;
    const name = user?.name ?? '';
    this.#user.replaceChildren(
      h('span', { class: 'badge', 'data-sign': initial(name) }),
      h('span', { class: 'own-name' }, name),
    );
    this.#user.setAttribute('aria-label', t('user.menu', { name }));
    const wanted = folded(this.#find.value.trim());
    const shown = (talks ?? []).filter((talk) => folded(titleOf(talk)).includes(wanted));
    const live = shown.filter(({ id, archived }) => !archived || wanted || id === openId);
    const put = shown.filter((talk) => !live.includes(talk));
    if (!same) this.#drawLists(live, put);
    this.#found.hidden = !this.#results?.length;
    this.#hits.replaceChildren(...(this.#results ?? []).map(hit));
    const nothing = talks !== null && !live.length && !put.length && !this.#results?.length;
    this.#none.hidden = !nothing;
    this.#none.textContent = t(wanted ? 'talks.nothing' : 'talks.none');
  }

  /** @param {Talk[]} live @param {Talk[]} put away */
  #drawLists(live, put) {
    const { activeElement } = document;
    const focus = activeElement?.closest('li')?.dataset.talk;
    const kind = activeElement?.tagName === 'BUTTON' ? 'button' : 'a';
    this.#list.replaceChildren(...live.map((talk) => this.#item(talk)));
    this.#archived.replaceChildren(...put.map((talk) => this.#item(talk)));
    this.#archive.hidden = put.length === 0;
    this.#archive.children[0].textContent = t('talks.archived', { n: String(put.length) });
    if (focus && !this.#renaming) {
      /** @type {HTMLElement | null} */
      const same = this.element.querySelector(`li[data-talk="${focus}"] ${kind}`);
      same?.focus({ preventScroll: true });
    }
  }

  /** On the newest talk, or where there is none, where one begins. */
  focus() {
    const first = this.#list.querySelector('a') ?? this.element.querySelector('button');
    first?.focus({ preventScroll: true });
  }

  /** @param {Talk} talk */
  #item(talk) {
    const open = talk.id === this.controller.state.openId;
    const title = titleOf(talk);
    if (this.#renaming === talk.id) {
      const rename = (/** @type {string | null} */ to) => {
        if (this.#renaming !== talk.id) return;
        this.#renaming = null;
        this.update();
        if (to !== null && to !== talk.title) void this.controller.changeTalk(talk.id, { title: to });
      };
      const input = renameInput(talk.title, rename);
      requestAnimationFrame(() => input.select());
      return h('li', { 'data-talk': talk.id }, input);
    }
    const more = h(
      'button',
      {
        class: 'plain round row-menu',
        type: 'button',
        'aria-haspopup': 'menu',
        'aria-label': t('talks.menu', { title }),
        'data-testid': 'talk-menu',
        onclick: () => openMenu(more, t('talks.menu', { title }), this.#actions(talk)),
      },
      icon('more'),
    );
    return h(
      'li',
      { 'data-talk': talk.id },
      h(
        'a',
        {
          href: routeHash(talk.id),
          'data-testid': 'talk-link',
          'data-talk': talk.id,
          'aria-current': open ? 'page' : null,
        },
        h('span', { class: 'talk-title' }, title),
        h('time', { datetime: talk.created_at }, shortWhen(talk.created_at)),
      ),
      more,
    );
  }

  /** @param {Talk} talk @returns {Item[]} */
  #actions(talk) {
    /** @type {Item[]} */
    const items = [
      { text: t('talk.share'), icon: 'share', act: () => openShare(this.controller, talk.id) },
      {
        text: t(talk.archived ? 'talks.unarchive' : 'talks.archive'),
        icon: 'archive',
        id: 'archive',
        act: () => this.controller.archive(talk, !talk.archived),
      },
    ];
    if (talk.role !== 'listener') {
      const act = () => {
        this.#renaming = talk.id;
        this.update();
      };
      items.unshift({ text: t('talks.rename'), icon: 'edit', id: 'rename', act });
    }
    items.push(
      talk.role === 'owner'
        ? {
            text: t('talks.delete'),
            icon: 'trash',
            id: 'delete',
            danger: true,
            act: () => this.controller.deleteTalk(talk),
          }
        : {
            text: t('talks.leave'),
            icon: 'exit',
            danger: true,
            act: () => this.controller.leaveTalk(talk.id),
          },
    );
    return items;
  }

  #openMine() {
    const { controller } = this;
    openMenu(this.#user, t('user.menu', { name: controller.state.user?.name ?? '' }), [
      { text: t('prefs.title'), icon: 'tune', act: () => openPreferences(controller) },
      { text: t('models.title'), icon: 'spark', id: 'menu-models', act: () => openModels(controller) },
      { text: t('account.title'), icon: 'people', id: 'menu-account', act: () => openAccount(controller) },
      { text: t('signin.out'), icon: 'exit', id: 'sign-out', act: () => controller.signOut() },
    ]);
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#results = null;
    this.update();
    const text = this.#find.value.trim();
    if (text) this.#typing = setTimeout(() => this.#search(text), TYPING_MS);
  }

  /** @param {string} text */
  async #search(text) {
    const { results } = await this.controller.api.search(text).catch(() => ({ results: [] }));
    if (this.#find.value.trim() !== text) return;
    this.#results = results;
    this.update();
  }
}

/** @param {SearchHit} found */
function hit(found) {
  return h(
    'li',
    {},
    h(
      'a',
      { href: routeHash(found.talk, found.seq), 'data-testid': 'hit' },
      h('span', { class: 'hit-text' }, found.text),
      h('span', { class: 'hit-where' }, `${titleOf(found)} · ${shortWhen(found.at)}`),
    ),
  );
}

/**
 * @param {string} title
 * @param {(to: string | null) => void} done null: as it was
 */
export function renameInput(title, done) {
  const input = h('input', {
    class: 'rename',
    maxlength: 200,
    'aria-label': t('settings.name'),
    placeholder: t('talk.untitled'),
    'data-testid': 'rename-input',
    onblur: () => done(input.value.trim()),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (composing(event) || !['Enter', 'Escape'].includes(event.key)) return;
      event.preventDefault(); // what gets the focus is not pressed
      done(event.key === 'Enter' ? input.value.trim() : null);
    },
  });
  input.value = title;
  return input;
}
