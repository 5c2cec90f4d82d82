/** Who is in a talk, and in which role; its owner adds and removes. */

/** @import {Member, Role} from '../types.js' */
/** @import {Controller} from '../controller.js' */
import { ApiError } from '../api.js';
import { h, icon } from '../dom.js';
import { t } from '../i18n.js';
import { field, option, sheet, show } from './dialog.js';
import { initial } from './entries.js';

/** @type {Role[]} */
const ROLES = ['owner', 'speaker', 'listener'];

/** @param {Controller} controller */
export function openMembers(controller) {
  const { session } = controller;
  if (!session) return;
  const { id, me, role } = session.state;
  const owner = role === 'owner';
  const list = h('ul', { class: 'members', tabindex: -1, 'data-testid': 'members' });
  const problem = h('p', { class: 'form-error', role: 'alert' });
  const name = h('input', { id: 'member-name', maxlength: 60, required: true, 'data-testid': 'member-name' });
  const as = h('select', { 'aria-label': t('members.newRole') }, ...roleOptions());
  as.value = 'speaker';

  /** @param {() => Promise<unknown>} change */
  const change = async (change) => {
    problem.textContent = '';
    try {
      await change();
      name.value = '';
    } catch (error) {
      const unknown = error instanceof ApiError && error.status === 404;
      problem.textContent = t(unknown ? 'error.members.unknown' : 'error.members.failed');
    }
    await draw();
    await session.loadMembers();
  };

  const draw = async () => {
    const { members } = await controller.api.members(id).catch(() => ({ members: [] }));
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...members.map(row));
    if (focused) list.focus();
  };

  /** @param {Member} member */
  const row = (member) => {
    const mine = member.participant === me;
    const role = h(
      'select',
      {
        'aria-label': t('members.role', { name: member.name }),
        disabled: !owner || mine,
        onchange: () => {
          void change(() => controller.api.addMember(id, member.name, /** @type {Role} */ (role.value)));
        },
      },
      ...roleOptions(),
    );
    role.value = member.role;
    const colour = session.state.participants[member.participant]?.colour ?? 1;
    return h(
      'li',
      { 'data-colour': colour },
      h('span', { class: 'badge', 'aria-hidden': 'true' }, initial(member.name)),
      h('span', { class: 'member-name' }, member.name, mine && h('span', { class: 'quiet' }, t('members.you'))),
      h('span', { class: 'row' }, role, owner && !mine && removal(member)),
    );
  };

  /** @param {Member} member */
  const removal = ({ name: called, participant }) =>
    h(
      'button',
      {
        class: 'plain round',
        type: 'button',
        'aria-label': t('members.remove', { name: called }),
        onclick: () => change(() => controller.api.removeMember(id, participant)),
      },
      icon('close'),
    );

  const add = h(
    'form',
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void change(() => controller.api.addMember(id, name.value.trim(), /** @type {Role} */ (as.value)));
      },
    },
    field(
      t('members.add'),
      name,
      h('p', { class: 'hint' }, t('members.addHint')),
      h('div', { class: 'row' }, as, h('button', { class: 'primary', type: 'submit' }, t('members.addButton'))),
    ),
  );
  show(sheet(t('members.title'), 'members-dialog', h('div', { class: 'fields' }, list, owner && add, problem)));
  void draw();
}

function roleOptions() {
  return ROLES.map((role) => option(role, t(`role.${role}`)));
}
