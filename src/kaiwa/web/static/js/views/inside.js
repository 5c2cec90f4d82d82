/** Under the bonnet: how long the replies of this talk took, and what made them. */

/** @import {Controller} from '../controller.js' */
import { statistics } from '../core/timing.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { sheet, show } from './dialog.js';
import { seconds } from './entries.js';

/** @param {Controller} controller */
export function openInside(controller) {
  const { session, state } = controller;
  if (!session) return;
  const { replies, stages } = statistics(session.state.entries);
  const { llm_model, voice } = session.state.settings;
  const known = state.voices.find(({ id }) => id === voice);
  /** @type {Record<string, string>} */
  const names = { browser: t('voice.browser'), none: t('voice.none') };
  const voiceName = known ? `${known.name} (${known.engine})` : (names[voice] ?? t('voice.auto'));
  const speech = h('dd', { 'data-testid': 'engine-speech' }, '…');
  const model = h('dd', {}, llm_model || t('inside.usual'));
  void controller.api.models().then(
    ({ chat, weights }) => {
      const used = weights.find((each) => each.use === 'speech' && each.in_use);
      speech.textContent = used?.name ?? t('inside.usual');
      if (!llm_model && chat.models[0]) model.textContent = chat.models[0].name;
    },
    () => (speech.textContent = t('inside.usual')),
  );
  const table = h(
    'table',
    { 'data-testid': 'percentiles' },
    h('caption', {}, t('inside.replies', { n: String(replies) })),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, t('inside.stage')),
        h('th', { scope: 'col' }, t('inside.median')),
        h('th', { scope: 'col' }, t('inside.slow')),
      ),
    ),
    h(
      'tbody',
      {},
      ...stages.map(({ stage, p50, p95 }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, t(`timing.${stage}`)),
          h('td', {}, t('timing.seconds', { s: seconds(p50 ?? 0) })),
          h('td', {}, t('timing.seconds', { s: seconds(p95 ?? 0) })),
        ),
      ),
    ),
  );
  show(
    sheet(
      t('inside.title'),
      'inside-dialog',
      h(
        'div',
        { class: 'fields' },
        stages.length ? table : h('p', {}, t(replies ? 'inside.early' : 'inside.none')),
        h('p', { class: 'hint' }, t('inside.hint')),
        h('h3', {}, t('inside.engines')),
        h(
          'dl',
          { class: 'engines' },
          h('dt', {}, t('models.speech')),
          speech,
          h('dt', {}, t('inside.model')),
          model,
          h('dt', {}, t('inside.voice')),
          h('dd', {}, voiceName),
        ),
      ),
    ),
  );
}
