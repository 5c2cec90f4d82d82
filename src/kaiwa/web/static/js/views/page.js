/** The whole page: which of its faces is shown, and the bar above the talk. */

/** @import {Participant} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { AGENT } from '../core/protocol.js';
import { routeHash } from '../core/route.js';
import { h, icon, setText } from '../dom.js';
import { locale, setLocale, t } from '../i18n.js';
import { DockView } from './dock.js';
import { NoticesView } from './notices.js';
import { openSettings } from './settings.js';
import { SidebarView, titleOf } from './sidebar.js';
import { SignInView } from './sign-in.js';
import { TranscriptView } from './transcript.js';

export class PageView {
  #notices;
  #sidebar;
  #transcript = new TranscriptView();
  #dock;
  #title = h('h1', { class: 'talk-name' });
  #people = h('ul', { class: 'people' });
  #settings;
  #back;
  #home;
  #main;
  #body;
  /** @type {SignInView | null} */
  #door = null;
  /** @type {unknown} */
  #peopleDrawn = null;

  /** @param {Controller} controller @param {() => void} onLocale draws everything anew */
  constructor(controller, onLocale) {
    this.controller = controller;
    this.onLocale = onLocale;
    this.#notices = new NoticesView(controller);
    this.#sidebar = new SidebarView(controller, this.#languages());
    this.#dock = new DockView(controller);
    this.#settings = h(
      'button',
      {
        class: 'plain round',
        type: 'button',
        'aria-label': t('settings.open'),
        title: t('settings.open'),
        'data-testid': 'settings',
        onclick: () => this.#openSettings(),
      },
      icon('settings'),
    );
    this.#back = h(
      'a',
      { class: 'plain round back', href: routeHash(null), 'aria-label': t('talks.back') },
      icon('back'),
    );
    this.#home = h(
      'div',
      { class: 'home' },
      h('h1', {}, t('home.title')),
      h('p', {}, t('home.hint')),
    );
    this.#main = h(
      'main',
      { class: 'talk' },
      h('header', { class: 'talk-head' }, this.#back, this.#title, this.#people, this.#settings),
      this.#transcript.element,
      this.#home,
      this.#dock.element,
    );
    this.#body = h('div', { class: 'page' }, this.#sidebar.element, this.#main);
    this.element = h('div', { class: 'root' }, this.#notices.element);
  }

  /** Another talk is open. */
  openTalk() {
    this.#transcript.open(this.controller.session);
    this.#peopleDrawn = null;
  }

  update() {
    const { state, session } = this.controller;
    this.#notices.update();
    const phase = state.phase;
    if (phase === 'loading' || phase === 'unreachable') {
      const text = phase === 'unreachable' ? t('app.unreachable') : '';
      this.#show(h('p', { class: 'waiting', role: 'status' }, text));
      return;
    }
    if (phase === 'signed-out') {
      this.#door ??= new SignInView(this.controller, this.#languages());
      this.#show(this.#door.element);
      document.title = 'kaiwa';
      return;
    }
    this.#door = null;
    this.#show(this.#body);
    this.#body.dataset.open = state.openId ? 'talk' : 'home';
    this.#sidebar.update();
    this.#home.hidden = state.openId !== null;
    this.#transcript.element.hidden = !session;
    this.#settings.hidden = !session;
    this.#title.hidden = !session;
    const title = session ? titleOf(session.state.settings) : 'kaiwa';
    setText(this.#title, title);
    document.title = session ? `${title} – kaiwa` : title;
    this.#drawPeople();
    this.#transcript.update();
    this.#dock.update();
  }

  /** @param {HTMLElement} face */
  #show(face) {
    const now = this.element.firstElementChild;
    if (now === face) return;
    const waits = face.className === 'waiting' && now?.className === 'waiting';
    if (waits && now?.textContent === face.textContent) return;
    if (now === this.#notices.element) this.element.prepend(face);
    else now?.replaceWith(face);
  }

  #drawPeople() {
    const people = this.controller.session?.state.participants ?? null;
    if (people === this.#peopleDrawn) return;
    this.#peopleDrawn = people;
    const all = Object.values(people ?? {}).filter((p) => p.id !== AGENT && p.name);
    // Alone, one needs no list of oneself.
    this.#people.replaceChildren(...(all.length > 1 ? all.map(personBadge) : []));
  }

  #openSettings() {
    const { session } = this.controller;
    if (!session) return;
    const { id, role, settings, cursor } = session.state;
    openSettings(this.controller, { ...settings, id, role, seq: cursor, created_at: '' });
  }

  #languages() {
    const select = h(
      'select',
      {
        class: 'languages',
        'aria-label': t('app.language'),
        'data-testid': 'locale',
        onchange: () => {
          setLocale(select.value === 'ja' ? 'ja' : 'en');
          this.onLocale();
        },
      },
      h('option', { value: 'ja', lang: 'ja' }, '日本語'),
      h('option', { value: 'en', lang: 'en' }, 'English'),
    );
    select.value = locale();
    return select;
  }
}

/** @param {Participant} person */
function personBadge({ name, here, colour }) {
  return h(
    'li',
    { 'data-colour': colour, class: here ? 'here' : '', title: here ? t('talk.here', { name }) : name },
    h('span', { 'aria-hidden': 'true' }, (Array.from(name)[0] ?? '').toUpperCase()),
    h('span', { class: 'visually-hidden' }, here ? t('talk.here', { name }) : name),
  );
}
