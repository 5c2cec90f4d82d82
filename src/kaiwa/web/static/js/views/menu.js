/** A menu at a button: arrow keys, Home, End, Escape, and a way back for the focus. */

import { h, icon } from '../dom.js';

/**
 * @typedef {object} Item
 * @property {string} text
 * @property {string} icon
 * @property {string} [id] for tests
 * @property {boolean} [danger]
 * @property {boolean} [checked] left out: not a switch
 * @property {() => void} act
 */

const GAP = 6;

/** @param {HTMLElement} anchor @param {string} label @param {Item[]} items */
export function openMenu(anchor, label, items) {
  const menu = h(
    'div',
    {
      class: 'menu',
      role: 'menu',
      'aria-label': label,
      popover: 'auto',
      'data-testid': 'menu',
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'Tab') menu.hidePopover();
        const all = [...menu.querySelectorAll('button')];
        const now = all.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
        const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        all.at(to % all.length)?.focus();
      },
      ontoggle: (/** @type {ToggleEvent} */ event) => {
        if (event.newState !== 'closed') return;
        menu.remove();
        anchor.setAttribute('aria-expanded', 'false');
        if (anchor.isConnected && document.activeElement === document.body) anchor.focus();
      },
    },
    ...items.map((item) =>
      h(
        'button',
        {
          type: 'button',
          role: item.checked === undefined ? 'menuitem' : 'menuitemcheckbox',
          'aria-checked': item.checked === undefined ? null : String(item.checked),
          class: item.danger ? 'danger-item' : '',
          'data-testid': item.id,
          onclick: () => {
            menu.hidePopover();
            item.act();
          },
        },
        icon(item.icon),
        h('span', {}, item.text),
        item.checked && icon('check'),
      ),
    ),
  );
  (anchor.closest('main, nav') ?? document.body).append(menu);
  anchor.setAttribute('aria-expanded', 'true');
  menu.showPopover();
  const { right, bottom, top } = anchor.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = menu;
  const below = bottom + GAP + offsetHeight <= innerHeight;
  menu.style.left = `${Math.max(8, Math.min(right - offsetWidth, innerWidth - offsetWidth - 8))}px`;
  menu.style.top = `${below ? bottom + GAP : Math.max(8, top - GAP - offsetHeight)}px`;
  menu.querySelector('button')?.focus();
}
