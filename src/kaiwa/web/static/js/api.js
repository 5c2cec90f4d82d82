/** JSON over HTTP, as docs/protocol.md has it. Signed in by the cookie. */

/** @import {DurableEvent, Member, ModelUse, Models, Pull, Role, SearchHit, Session, Talk, TalkSettings, User, UtteranceEdited,
 *   UtteranceFinal, Voice} from './types.js' */
import { mintId } from './core/ids.js';
import { L16, clipTypes } from './core/protocol.js';
import { pause } from './pause.js';

const TIMEOUT_MS = 20_000; // no plain request takes this long on a healthy server
const CLIP_MS = [200, 1000, 3000, 6000, 12_000]; // waits for a clip while the server is away
const TRY_MS = 90_000; // longer than the server itself waits for a model

/** An answer that says no, or no answer at all (`status` 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {boolean} retryable
   */
  constructor(status, code, message, retryable) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryable = retryable;
  }

  /** @param {Response} response */
  static async of(response) {
    const { code, message, retryable } = await response.json().then(
      (body) => body?.error ?? {},
      () => ({}),
    );
    return new ApiError(
      response.status,
      code ?? `http_${response.status}`,
      message ?? response.statusText,
      retryable ?? response.status >= 500,
    );
  }
}

export class Api {
  /** Called when a request that needs it finds nobody signed in. */
  onSignedOut = () => {};
  /** Safari before 18.4 decodes no Ogg Opus. */
  #clipTypes = clipTypes(new Audio().canPlayType('audio/ogg; codecs=opus') !== '');

  /** @param {string} name @param {string} password @returns {Promise<{user: User}>} */
  login(name, password) {
    return this.#call('POST', '/auth/login', { name, password });
  }

  /** @param {string} name @param {string} password @returns {Promise<{user: User}>} */
  register(name, password) {
    return this.#call('POST', '/auth/register', { name, password });
  }

  /** @param {string} code @returns {Promise<{user: User}>} */
  code(code) {
    return this.#call('POST', '/auth/code', { code });
  }

  logout() {
    return this.#call('POST', '/auth/logout');
  }

  /** @param {string} old empty where none was ever set @param {string} fresh */
  changePassword(old, fresh) {
    return this.#call('POST', '/auth/password', { old, new: fresh });
  }

  /** Where one is signed in. @returns {Promise<{sessions: Session[]}>} */
  sessions() {
    return this.#call('GET', '/auth/sessions');
  }

  /** @param {string} id */
  endSession(id) {
    return this.#call('DELETE', `/auth/sessions/${encodeURIComponent(id)}`);
  }

  /** Signs out wherever else one is signed in. */
  endOtherSessions() {
    return this.#call('DELETE', '/auth/sessions');
  }

  /** @returns {Promise<User>} */
  me() {
    return this.#call('GET', '/auth/me');
  }

  /** @returns {Promise<{talks: Talk[]}>} */
  talks() {
    return this.#call('GET', '/talks');
  }

  /** @param {Partial<TalkSettings>} settings @param {string} key @returns {Promise<Talk>} */
  createTalk(settings, key = mintId()) {
    return this.#call('POST', '/talks', settings, key);
  }

  /** @param {string} id @returns {Promise<Talk>} */
  talk(id) {
    return this.#call('GET', talkPath(id));
  }

  /** Puts a talk away, for oneself; or takes it out again. @param {string} id @param {boolean} on */
  archive(id, on) {
    return this.#call(on ? 'PUT' : 'DELETE', talkPath(id, 'archive'));
  }

  /** @param {string} id @param {Partial<TalkSettings>} settings @returns {Promise<Talk>} */
  changeTalk(id, settings) {
    return this.#call('PATCH', talkPath(id), settings);
  }

  /** Also while the page is being closed. @param {string} id */
  deleteTalk(id) {
    return this.#call('DELETE', talkPath(id), undefined, undefined, true);
  }

  /** @param {string} id @returns {Promise<{members: Member[]}>} */
  members(id) {
    return this.#call('GET', talkPath(id, 'members'));
  }

  /** @param {string} id @param {string} name @param {Role} role @returns {Promise<Member>} */
  addMember(id, name, role) {
    return this.#call('POST', talkPath(id, 'members'), { name, role });
  }

  /** @param {string} id @param {string} participant */
  removeMember(id, participant) {
    return this.#call('DELETE', talkPath(id, 'members', participant));
  }

  /** A link that lets people in. @param {string} id @returns {Promise<{link: string}>} */
  invite(id) {
    return this.#call('POST', talkPath(id, 'invites'), {});
  }

  /** @param {string} code @returns {Promise<Talk>} */
  acceptInvite(code) {
    return this.#call('POST', '/invites/accept', { code });
  }

  /**
   * A page of what was said, in order.
   * @param {string} id @param {number} after
   * @returns {Promise<{events: DurableEvent[], seq: number}>}
   */
  events(id, after) {
    return this.#call('GET', `${talkPath(id, 'events')}?after=${after}`);
  }

  /**
   * What was said in any of my talks.
   * @param {string} text
   * @returns {Promise<{results: SearchHit[]}>}
   */
  search(text) {
    return this.#call('GET', `/search?${new URLSearchParams({ q: text })}`);
  }

  /** @param {string} id @param {string} text @param {string} key @returns {Promise<UtteranceFinal>} */
  say(id, text, key) {
    return this.#call('POST', talkPath(id, 'messages'), { text }, key);
  }

  /**
   * @param {string} id
   * @param {string} utterance
   * @param {string} text
   * @returns {Promise<UtteranceEdited>}
   */
  correct(id, utterance, text) {
    return this.#call('PATCH', talkPath(id, 'utterances', utterance), { text });
  }

  /** @param {string} id @param {string} key @returns {Promise<{reply_id: string}>} */
  ask(id, key = mintId()) {
    return this.#call('POST', talkPath(id, 'reply'), {}, key);
  }

  /**
   * @param {string} id
   * @param {string} replyId
   * @param {{clause: number, ms: number} | null} heard
   */
  stop(id, replyId, heard) {
    return this.#call('DELETE', talkPath(id, 'reply'), {
      reply_id: replyId,
      ...(heard && { heard }),
    });
  }

  /**
   * @param {string} id
   * @param {{listener: string, reply_id: string, clause: number, ms: number}} report
   */
  heard(id, report) {
    return this.#call('POST', talkPath(id, 'heard'), report);
  }

  /** @returns {Promise<{voices: Voice[]}>} */
  voices() {
    return this.#call('GET', '/voices');
  }

  /** @returns {Promise<Models>} */
  models() {
    return this.#call('GET', '/models');
  }

  /** How far the newest pull is. @returns {Promise<{pull: Pull | null}>} */
  pull() {
    return this.#call('GET', '/models/pull');
  }

  /** @param {ModelUse} use @param {string} name @returns {Promise<{pull: Pull}>} */
  beginPull(use, name) {
    return this.#call('POST', '/models/pull', { use, name });
  }

  stopPull() {
    return this.#call('DELETE', '/models/pull');
  }

  /** Answers when they are loaded. @param {string} name of weights that are here */
  changeRecogniser(name) {
    return this.#try('PUT', '/models/speech', 'application/json', JSON.stringify({ name }));
  }

  /** @param {Blob} sound L16 @param {string} language @returns {Promise<{text: string, ms: number}>} */
  trySpeech(sound, language) {
    return this.#try('POST', `/models/try/speech?language=${language}`, L16, sound);
  }

  /** @param {string} text @returns {Promise<{text: string, ms: number}>} */
  tryChat(text) {
    return this.#try('POST', '/models/try/chat', 'application/json', JSON.stringify({ text }));
  }

  /**
   * A clip's sound, whole. One that was just announced may need a moment; the network may be away.
   * @param {string} id @param {string} clip @param {AbortSignal} signal
   */
  async clip(id, clip, signal) {
    const path = talkPath(id, 'clips', clip);
    for (const [tries, ms] of CLIP_MS.entries()) {
      try {
        return await this.#sound(path, signal);
      } catch (error) {
        if (tries && error instanceof ApiError && !error.retryable) throw error;
        await pause(ms, signal);
      }
    }
    return this.#sound(path, signal);
  }

  /** What was recorded of an utterance. @param {string} id @param {string} utterance @param {AbortSignal} signal */
  recording(id, utterance, signal) {
    return this.#sound(talkPath(id, 'utterances', utterance, 'sound'), signal);
  }

  /** @param {string} path @param {AbortSignal} signal */
  async #sound(path, signal) {
    const response = await fetch(path, {
      headers: { Accept: this.#clipTypes },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok) throw await ApiError.of(response);
    return response.arrayBuffer();
  }

  /**
   * How many samples of a capture are durably transcribed; null if the server has none of it.
   * @param {string} id @param {string} capture
   */
  async durableOffset(id, capture) {
    const response = await this.#fetch('HEAD', talkPath(id, 'captures', capture), {});
    if (response.status === 404) return null;
    if (!response.ok) throw await ApiError.of(response);
    return Number(response.headers.get('Upload-Offset')) || 0;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {string} [key] Idempotency-Key
   * @param {boolean} [keepalive] outlives the page
   * @returns {Promise<any>}
   */
  async #call(method, path, body, key, keepalive = false) {
    /** @type {Record<string, string>} */
    const headers = { Accept: 'application/json' };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (key) headers['Idempotency-Key'] = key;
    const response = await this.#fetch(method, path, {
      headers,
      keepalive,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) {
      const error = await ApiError.of(response);
      if (error.status === 401 && !path.startsWith('/auth/')) this.onSignedOut();
      throw error;
    }
    return bodyOf(response);
  }

  /**
   * What a model may take long for.
   * @param {string} method @param {string} path @param {string} type @param {BodyInit} body
   */
  async #try(method, path, type, body) {
    const signal = AbortSignal.timeout(TRY_MS);
    const response = await this.#fetch(method, path, { headers: { 'Content-Type': type }, body, signal });
    if (!response.ok) throw await ApiError.of(response);
    return bodyOf(response);
  }

  /** @param {string} method @param {string} path @param {RequestInit} init */
  async #fetch(method, path, init) {
    try {
      return await fetch(path, { method, signal: AbortSignal.timeout(TIMEOUT_MS), ...init });
    } catch {
      throw unreachable();
    }
  }
}

/** An answer whole; a connection may break in the middle of it. @param {Response} response @returns {Promise<any>} */
function bodyOf(response) {
  if (response.status === 204) return Promise.resolve(null);
  return response.json().catch(() => Promise.reject(unreachable()));
}

function unreachable() {
  return new ApiError(0, 'unreachable', 'The server does not answer.', true);
}

/** @param {string} id @param {string[]} rest */
export function talkPath(id, ...rest) {
  return ['/talks', id, ...rest].map((part, i) => (i ? encodeURIComponent(part) : part)).join('/');
}
