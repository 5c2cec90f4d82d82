/** How one entry of a talk looks: each function draws into an element that stays. */

/** @import {Entry, Hypothesis, Note, Participant, PendingMessage, Reply, Utterance}
 *   from '../types.js' */
import { heardParts, pieces } from '../core/reply.js';
import { reached, waterfall } from '../core/timing.js';
import { composing, h, icon } from '../dom.js';
import { clockTime, hasMessage, t } from '../i18n.js';

/**
 * @typedef {object} Frame
 * @property {Participant | null} who
 * @property {boolean} follows the same person spoke just before
 * @property {boolean} mine
 * @property {number | null} playing the clause that is being heard
 */

/**
 * @param {HTMLElement} element
 * @param {Utterance} utterance
 * @param {Frame} frame
 * @param {{copy: () => void, edit: (() => void) | null, hear: () => void}} on
 */
export function drawUtterance(element, utterance, frame, on) {
  dress(element, 'utterance', frame, utterance.id);
  element.dataset.testid = 'utterance';
  const body = h('p', { class: 'words', lang: langOf(utterance.language) }, utterance.text);
  const note = utterance.original !== null && [
    h(
      'span',
      {
        class: 'edited',
        title: t('utterance.original', { text: utterance.original }),
      },
      utterance.model
        ? t('utterance.reheard', { model: utterance.model })
        : t('utterance.edited'),
    ),
  ];
  const heard = utterance.capture !== null;
  const tools = toolbar(
    utterance.recorded && tool('play', t('utterance.play'), on.hear),
    on.edit && heard && tool('edit', t('utterance.edit'), on.edit),
    tool('copy', t('copy.one'), on.copy),
  );
  fill(element, utterance.name, utterance.at, frame, body, ...(note || []), tools);
}

/**
 * The same element becomes the utterance when it is final, so that nothing jumps.
 * @param {HTMLElement} element
 * @param {Hypothesis} partial
 * @param {Frame} frame
 */
export function drawPartial(element, partial, frame) {
  const known = element.dataset.testid === 'partial' ? element.querySelector('.words') : null;
  dress(element, 'utterance partial', frame, partial.id);
  element.dataset.testid = 'partial';
  let words = /** @type {HTMLElement | null} */ (known);
  if (!words) {
    words = h('p', { class: 'words' }, h('span', { class: 'stable' }), h('span', { class: 'tentative' }));
    fill(element, partial.name, partial.at, frame, words);
  }
  const [stable, tentative] = words.children;
  stable.textContent = partial.stable;
  tentative.textContent = partial.tentative;
  // A guess that is taken back must not pull the page up and push it down again.
  const height = words.offsetHeight;
  if (height > (parseFloat(words.style.minHeight) || 0)) words.style.minHeight = `${height}px`;
}

/**
 * @param {HTMLElement} element
 * @param {Reply} reply
 * @param {Frame} frame
 * @param {{copy: () => void, replay: () => void}} on
 */
export function drawReply(element, reply, frame, on) {
  const open = element.querySelector('details')?.open ?? false;
  dress(element, `reply ${reply.status}`, frame, reply.id);
  element.dataset.testid = 'reply';
  element.dataset.status = reply.status;
  const words = h('p', { class: 'words' });
  const { heard, rest } = heardParts(reply);
  if (reply.cut) {
    if (heard) words.append(h('span', {}, heard));
    if (rest) words.append(h('del', { class: 'unheard' }, rest));
  } else {
    for (const { text, clause } of pieces(reply)) {
      const lit = clause !== null && clause === frame.playing;
      words.append(h('span', { class: lit ? 'clause lit' : 'clause', 'data-clause': clause }, text));
    }
  }
  if (reply.status === 'going') {
    words.append(h('span', { class: reply.text ? 'caret' : 'dots', 'aria-hidden': 'true' }));
  }
  fill(
    element,
    reply.name,
    reply.at,
    frame,
    words,
    ...remarks(reply, heard),
    timing(reply, open),
    toolbar(
      reply.status !== 'going' && canBeSaid(reply) && tool('replay', t('reply.again'), on.replay),
      tool('copy', t('copy.one'), on.copy),
    ),
  );
}

/** @param {Reply} reply */
function canBeSaid(reply) {
  return reply.clauses.some(({ clip }) => clip !== null);
}

/** What can be done with an entry; out of the way until it is pointed at, or picked. */
/** @param {...(HTMLElement | false | null)} tools */
function toolbar(...tools) {
  return h('div', { class: 'tools' }, ...tools);
}

/** @param {string} name @param {string} label @param {() => void} act */
function tool(name, label, act) {
  return h(
    'button',
    {
      class: 'plain round',
      type: 'button',
      tabindex: -1, // reached when its entry is picked
      'aria-label': label,
      title: label,
      'data-testid': name,
      onclick: act,
    },
    icon(name),
  );
}

/** @param {Reply} reply @param {string} heard */
function remarks(reply, heard) {
  const out = [];
  if (reply.notice) {
    out.push(h('p', { class: 'remark warn' }, wireText(reply.notice.code, reply.notice.message)));
  }
  if (reply.status === 'failed') {
    const why = reply.error ? wireText(reply.error.code, reply.error.message) : '';
    out.push(h('p', { class: 'remark bad' }, icon('alert'), h('span', {}, `${t('reply.failed')} ${why}`)));
  } else if (reply.cut) {
    out.push(h('p', { class: 'remark' }, t(heard ? 'reply.cut' : 'reply.unheard')));
  } else if (reply.status === 'interrupted') {
    out.push(h('p', { class: 'remark' }, t('reply.interrupted')));
  }
  return out;
}

/** Where the time went: each stage from where the one before ended. */
/** @param {Reply} reply @param {boolean} open */
function timing(reply, open) {
  const bars = waterfall(reply);
  const first =
    reached(reply, 'first_clip') ?? reached(reply, 'first_clause') ?? reached(reply, 'first_token');
  if (first === undefined) return null; // it was over before it began
  const whole = Math.max(bars[bars.length - 1].to, 1);
  return h(
    'details',
    { class: 'timing', open, 'data-testid': 'timing' },
    h('summary', {}, t('reply.timing', { s: seconds(first) })),
    h(
      'dl',
      {},
      ...bars.flatMap(({ stage, from, to }) => {
        const bar = h('i', { 'aria-hidden': 'true' });
        bar.style.marginInlineStart = `${(100 * from) / whole}%`;
        bar.style.width = `${(100 * (to - from)) / whole}%`;
        return [
          h('dt', {}, t(`timing.${stage}`)),
          h('dd', {}, h('span', { class: 'bar' }, bar), t('timing.seconds', { s: seconds(to) })),
        ];
      }),
    ),
  );
}

/** @param {HTMLElement} element @param {Note} note */
export function drawNote(element, note) {
  element.className = 'entry note';
  element.dataset.id = note.id;
  const text = t(`talk.${note.what}`, { name: note.name });
  element.replaceChildren(h('p', {}, text));
}

/**
 * @param {HTMLElement} element
 * @param {PendingMessage} message
 * @param {Frame} frame
 * @param {{retry: () => void, drop: () => void}} on
 */
export function drawPending(element, message, frame, on) {
  dress(element, message.failed ? 'utterance failed' : 'utterance pending', frame, message.key);
  element.dataset.testid = 'pending';
  const words = h('p', { class: 'words' }, message.text);
  const actions = message.failed
    ? h(
        'p',
        { class: 'remark bad' },
        icon('alert'),
        h('span', { role: 'alert' }, t('message.failed')),
        h('button', { class: 'link', type: 'button', onclick: on.retry }, t('message.retry')),
        h('button', { class: 'link', type: 'button', onclick: on.drop }, t('message.drop')),
      )
    : h('p', { class: 'remark' }, t('message.sending'));
  fill(element, frame.who?.name ?? '', null, frame, words, actions);
}

/**
 * An editor in place of the words.
 * @param {HTMLElement} element
 * @param {Utterance} utterance
 * @param {(text: string | null) => void} onDone null: nothing is to change
 */
export function drawEditor(element, utterance, onDone) {
  const area = h('textarea', {
    rows: 2,
    maxlength: 8000,
    'aria-label': t('utterance.editLabel'),
    'data-testid': 'edit-input',
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (composing(event)) return;
      if (event.key === 'Escape') onDone(null);
      if (event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    },
  });
  area.value = utterance.text;
  const form = h(
    'form',
    {
      class: 'editor',
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        const text = area.value.trim();
        onDone(text && text !== utterance.text ? text : null);
      },
    },
    area,
    h(
      'p',
      {},
      h('button', { class: 'soft', type: 'button', onclick: () => onDone(null) }, t('utterance.cancel')),
      h('button', { class: 'primary', type: 'submit' }, t('utterance.save')),
    ),
  );
  element.querySelector('.words')?.replaceWith(form);
  area.focus();
}

/** The text a screen reader gets of a finished entry; empty: nothing. @param {Entry} entry */
export function spokenForm(entry) {
  if (entry.kind === 'note') return '';
  return entry.text && `${entry.name}: ${entry.text}`;
}

/** @param {HTMLElement} element @param {string} kind @param {Frame} frame @param {string} id */
function dress(element, kind, frame, id) {
  const mine = frame.mine ? ' mine' : '';
  const follows = frame.follows ? ' follows' : '';
  element.className = `entry ${kind}${mine}${follows}`;
  element.dataset.colour = String(frame.who?.colour ?? 0);
  element.dataset.id = id;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string | null} at
 * @param {Frame} frame
 * @param {...(Node | false | null)} content
 */
function fill(element, name, at, frame, ...content) {
  const sign = element.dataset.colour === '0' ? icon('spark') : initial(name);
  const badge = h('span', { class: 'badge', 'aria-hidden': 'true' }, sign);
  const head = h(
    'header',
    { class: frame.follows ? 'visually-hidden' : '' },
    h('span', { class: 'name' }, name),
    at && h('time', { datetime: at }, clockTime(at)),
  );
  element.replaceChildren(
    badge,
    h('div', { class: 'content' }, head, ...content),
  );
}

/** @param {string} name */
export function initial(name) {
  return (Array.from(name.trim())[0] ?? '').toUpperCase();
}

/** @param {string} code @param {string} message */
function wireText(code, message) {
  const key = `error.${code}`;
  return hasMessage(key) ? t(key) : message;
}

/** @param {number} ms */
export function seconds(ms) {
  return (ms / 1000).toFixed(ms < 9950 ? 2 : 1);
}

/** @param {string} language @returns {string | null} */
function langOf(language) {
  return /^[a-z]{2,3}$/.test(language) ? language : null;
}
