/** The whole page: which of its faces is shown, and the bar above the talk. */

/** @import {Participant} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { talkPath } from '../api.js';
import { AGENT } from '../core/protocol.js';
import { routeHash } from '../core/route.js';
import { brandIcon, h, icon, setText } from '../dom.js';
import { locale, setLocale, t, titleOf } from '../i18n.js';
import { DockView } from './dock.js';
import { NoticesView } from './notices.js';
import { initial, spokenForm } from './entries.js';
import { openInside, openMembers, openSettings, openShare } from './dialogs.js';
import { openMenu } from './menu.js';
import { SearchBar } from './search.js';
import { SidebarView, renameInput } from './sidebar.js';
import { SignInView } from './sign-in.js';
import { TranscriptView } from './transcript.js';

const BADGES = 4; // more people are a number
const NARROW_BADGES = 2; // where there is little room, as the stylesheet has it
const EXPORTS = /** @type {const} */ (['txt', 'md', 'srt', 'vtt', 'json']);

export class PageView {
  #notices;
  #sidebar;
  #transcript;
  #search;
  #dock;
  #titleText = h('button', { type: 'button', 'data-testid': 'title', onclick: () => this.#rename() });
  #title = h('h1', { class: 'talk-name' }, this.#titleText);
  #badges = h('ul', { 'aria-hidden': 'true' });
  #people = h(
    'button',
    {
      class: 'people',
      hidden: true,
      type: 'button',
      'data-testid': 'people',
      onclick: () => openMembers(this.controller),
    },
    this.#badges,
  );
  #recording = h('p', { class: 'recording', role: 'status', 'data-testid': 'recording' });
  #tools;
  #back;
  #home;
  #main;
  #body;
  /** @type {SignInView | null} */
  #door = null;
  /** @type {unknown} */
  #peopleDrawn;
  #opened = false;

  /** @param {Controller} controller @param {() => void} onLocale draws everything anew */
  constructor(controller, onLocale) {
    this.controller = controller;
    this.onLocale = onLocale;
    this.#notices = new NoticesView(controller);
    this.#sidebar = new SidebarView(controller, this.#languages());
    this.#transcript = new TranscriptView(controller);
    this.#search = new SearchBar(controller, this.#transcript);
    this.#dock = new DockView(controller);
    const more = roundButton('more', t('talk.more'), 'more', () => this.#openMenu(more));
    more.setAttribute('aria-haspopup', 'menu');
    const search = roundButton('search', t('talk.search'), 'search', () => this.#search.open());
    const share = roundButton('share', t('talk.share'), 'share', () => this.#share());
    for (const button of [search, share]) button.classList.add('desk-only');
    this.#tools = h(
      'div',
      { class: 'head-tools' },
      search,
      share,
      roundButton('settings', t('settings.open'), 'settings', () => this.#openSettings()),
      more,
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
      { class: 'talk', tabindex: -1 },
      h('header', { class: 'talk-head' }, this.#back, this.#title, this.#recording, this.#people, this.#tools),
      this.#search.element,
      this.#transcript.element,
      this.#home,
      this.#dock.element,
    );
    this.#body = h('div', { class: 'page' }, this.#sidebar.element, this.#main);
    this.element = h('div', { class: 'root' }, this.#notices.element);
  }

  /** Another talk is open, or none: who came by the list, or from what is gone, goes on there. */
  openTalk() {
    const { session } = this.controller;
    const { activeElement } = document;
    const lost = activeElement === document.body || activeElement === this.#main;
    const left = lost || this.#sidebar.element.contains(activeElement);
    const back = this.#opened && !session && this.#main.contains(activeElement);
    this.#opened = session !== null;
    this.#transcript.open(session);
    this.#search.close();
    this.#peopleDrawn = undefined;
    this.update();
    if (session && left) this.#transcript.focus();
    if (back) this.#sidebar.focus();
  }

  /** @param {number} seq of what is to be shown */
  showPlace(seq) {
    const { session } = this.controller;
    if (!session) return;
    /** Once it has been read. @returns {boolean} */
    const reveal = () => {
      const { entries, ready, past } = session.state;
      const index = entries.findIndex((entry) => entry.seq >= seq);
      if (index < 0 || !ready || past === null) return false;
      this.#transcript.reveal(index);
      return true;
    };
    if (reveal()) return;
    const unwatch = session.store.watch(() => reveal() && unwatch());
  }

  update() {
    const { state, session } = this.controller;
    this.#notices.update();
    const phase = state.phase;
    if (phase === 'loading' || phase === 'unreachable') {
      const text = phase === 'unreachable' ? t('app.unreachable') : 'kaiwa'; // as index.html begins
      this.#show(h('p', { class: 'waiting', role: 'status' }, brandIcon(), text));
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
    this.#transcript.element.hidden = !state.openId; // its place is kept while it comes
    this.#tools.hidden = !session;
    this.#title.hidden = !session;
    const listed = state.talks?.find(({ id }) => id === state.openId);
    const title = session ? titleOf({ ...listed, ...session.state.settings }) : 'kaiwa';
    setText(this.#titleText, title);
    this.#titleText.disabled = session?.state.role === 'listener';
    document.title = session ? `${title} – kaiwa` : title;
    const recorded = session?.state.settings.recording ?? false;
    setText(this.#recording, recorded ? t('talk.isRecorded') : '');
    this.#recording.title = recorded ? t('talk.isRecordedHint') : '';
    this.#drawPeople();
    this.#transcript.update();
    this.#search.update();
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
    if (now?.className === 'door') this.#main.focus();
    if (now === this.#body) face.focus(); // signed out
  }

  #drawPeople() {
    const people = this.controller.session?.state.participants ?? null;
    if (people === this.#peopleDrawn) return;
    this.#peopleDrawn = people;
    const all = Object.values(people ?? {}).filter((p) => p.id !== AGENT && p.name);
    // Alone, one needs no list of oneself.
    this.#people.hidden = all.length < 2;
    this.#badges.replaceChildren(
      ...all.slice(0, BADGES).map(personBadge),
      ...others('many', all.length - BADGES),
      ...others('few', all.length - NARROW_BADGES),
    );
    const names = all.map(({ name, here }) => (here ? t('talk.here', { name }) : name));
    this.#people.title = `${t('talk.people')}: ${names.join(', ')}`;
    this.#people.setAttribute('aria-label', this.#people.title);
  }

  #openSettings() {
    const { session } = this.controller;
    if (!session) return;
    const { id, role, settings } = session.state;
    void openSettings(this.controller, { ...settings, id, role });
  }

  #share() {
    const { session } = this.controller;
    if (session) void openShare(this.controller, session.id);
  }

  #rename() {
    const { session } = this.controller;
    if (!session) return;
    const { title } = session.state.settings;
    let open = true;
    const input = renameInput(title, (to) => {
      if (!open) return;
      open = false;
      const focused = document.activeElement === input; // else the focus is on its way elsewhere
      input.replaceWith(this.#titleText);
      if (focused) this.#titleText.focus();
      if (to !== null && to !== title) void this.controller.changeTalk(session.id, { title: to });
    });
    this.#titleText.replaceWith(input);
    input.select();
  }

  /** @param {HTMLElement} anchor */
  #openMenu(anchor) {
    const { session } = this.controller;
    if (!session) return;
    const { settings, entries, role } = session.state;
    const exporting = EXPORTS.map((form) => ({
      text: t(`export.${form}`),
      icon: 'save',
      act: () => location.assign(`${talkPath(session.id, 'export')}?format=${form}`),
    }));
    openMenu(anchor, t('talk.more'), [
      { text: t('talk.search'), icon: 'search', id: 'menu-search', act: () => this.#search.open() },
      { text: t('talk.share'), icon: 'share', id: 'menu-share', act: () => this.#share() },
      {
        text: t('talk.people'),
        icon: 'people',
        id: 'menu-people',
        act: () => openMembers(this.controller),
      },
      ...(role === 'listener'
        ? []
        : [
            {
              text: t('talk.handsFree'),
              icon: 'wave',
              checked: settings.mode === 'hands-free',
              act: () => this.controller.toggleHandsFree(),
            },
          ]),
      {
        text: t('talk.copyAll'),
        icon: 'copy',
        act: () => this.controller.copy(entries.map(spokenForm).filter(Boolean).join('\n')),
      },
      {
        text: t('talk.export'),
        icon: 'save',
        act: () => openMenu(anchor, t('talk.export'), exporting),
      },
      {
        text: t('talk.inside'),
        icon: 'clock',
        id: 'menu-inside',
        act: () => openInside(this.controller),
      },
    ]);
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
  return h('li', { 'data-colour': colour, 'data-sign': initial(name), class: here ? 'here' : '' });
}

/** @param {'many' | 'few'} kind @param {number} count */
function others(kind, count) {
  return count > 0 ? [h('li', { class: `others ${kind}`, 'data-sign': `+${count}` })] : [];
}

/** @param {string} name @param {string} label @param {string} testid @param {() => void} act */
function roundButton(name, label, testid, act) {
  return h(
    'button',
    {
      class: 'plain round',
      type: 'button',
      'aria-label': label,
      title: label,
      'data-testid': testid,
      onclick: act,
    },
    icon(name),
  );
}
