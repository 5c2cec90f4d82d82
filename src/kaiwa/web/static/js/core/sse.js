/** Server-Sent Events, parsed as text arrives (WHATWG HTML, 9.2.6), as a TransformStream. */

/** @import {SseMessage} from '../types.js' */

export class SseParser {
  #rest = '';
  #event = '';
  #id = '';
  /** @type {string[]} */
  #data = [];
  #first = true;

  /**
   * @param {string} text any piece of the stream, cut anywhere
   * @returns {SseMessage[]} the messages that are complete with it
   */
  feed(text) {
    if (this.#first && text) {
      this.#first = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    this.#rest += text;
    /** @type {SseMessage[]} */
    const messages = [];
    let from = 0;
    for (;;) {
      const end = this.#lineEnd(from);
      if (end < 0) break;
      const line = this.#rest.slice(from, end);
      from = end + (this.#rest[end] === '\r' && this.#rest[end + 1] === '\n' ? 2 : 1);
      this.#line(line, messages);
    }
    this.#rest = this.#rest.slice(from);
    return messages;
  }

  /**
   * Where the line that begins at `from` ends, or -1. A CR at the very end waits: an LF may follow.
   * @param {number} from
   */
  #lineEnd(from) {
    for (let i = from; i < this.#rest.length; i++) {
      const c = this.#rest[i];
      if (c === '\n') return i;
      if (c === '\r') return i + 1 < this.#rest.length ? i : -1;
    }
    return -1;
  }

  /** @param {string} line @param {SseMessage[]} messages */
  #line(line, messages) {
    if (line === '') {
      if (this.#data.length) {
        messages.push({
          event: this.#event || 'message',
          data: this.#data.join('\n'),
          id: this.#id,
        });
      }
      this.#event = '';
      this.#data = [];
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }
}

/** @returns {TransformStream<string, SseMessage>} */
export function sseMessages() {
  const parser = new SseParser();
  return new TransformStream({
    transform(text, controller) {
      for (const message of parser.feed(text)) controller.enqueue(message);
    },
  });
}
