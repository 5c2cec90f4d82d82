/** What stands in a talk in which nothing has been said. */

/** @import {TalkState} from '../types.js' */
import { h, setText } from '../dom.js';
import { t } from '../i18n.js';

export class EmptyView {
  #title = h('p', { class: 'empty-title' });
  #hint = h('p', { class: 'empty-hint' });
  element = h('div', { class: 'empty', hidden: true }, this.#title, this.#hint);

  /** @param {TalkState} state @param {boolean} on whether the microphone is */
  update({ entries, partials, pending, ready, role, settings }, on) {
    const said = partials.length || pending.length || entries.some((entry) => entry.kind !== 'note');
    this.element.hidden = !!said;
    if (said) return;
    const listens = role === 'listener';
    const title = listens ? 'talk.emptyListener' : on ? 'talk.emptyOn' : 'talk.empty';
    setText(this.#title, ready ? t(title) : '');
    const name = settings.agent_name;
    const hint = t(`talk.hint.${settings.mode}`, { name, ask: t('dock.ask', { name }) });
    setText(this.#hint, !ready ? t('talk.connecting') : listens ? '' : hint);
  }
}
