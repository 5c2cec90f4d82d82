/** What went wrong, in the reader's language where the code is known. */

/** @import {Notice} from './types.js' */
import { ApiError } from './api.js';
import { hasMessage, t } from './i18n.js';

const NEWS = ['mic.suspended', 'mic.recovered', 'talk.deleted']; // no errors

/**
 * @param {string} code
 * @param {ApiError | null} error
 * @returns {Pick<Notice, 'level' | 'text'>}
 */
export function noticeOf(code, error) {
  const why = error && reasonOf(error);
  const text = [messageFor(code), why].filter(Boolean).join(' ') || t('error.unknown');
  return { level: NEWS.includes(code) ? 'info' : 'error', text };
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (!(error instanceof ApiError)) return t('error.unknown');
  return messageFor(error.code) ?? error.message;
}

/** @param {string} code */
function messageFor(code) {
  const key = `error.${code}`;
  return hasMessage(key) ? t(key) : null;
}
