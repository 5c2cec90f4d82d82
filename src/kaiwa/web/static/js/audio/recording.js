/**
 * Plays what was recorded of an utterance, and says which word is being heard. An open microphone
 * gets silence meanwhile; a voice at it ends the playback.
 */

/** @import {Replaying, Utterance} from '../types.js' */
/** @import {Microphone} from './microphone.js' */
import { wordAt } from '../core/words.js';
import { watchForBargeIn } from './barge-in.js';
import { audio, output } from './playback.js';

const TICK_MS = 50;

export class Recording {
  /** @type {(() => void) | null} ends what is playing */
  #end = null;

  /**
   * @param {object} options
   * @param {(utterance: string, signal: AbortSignal) => Promise<ArrayBuffer>} options.load
   * @param {() => Microphone | null} options.microphone
   * @param {(at: Replaying) => void} options.onPlaying
   * @param {(code: string) => void} options.onTrouble
   */
  constructor(options) {
    this.options = options;
  }

  /** @param {Utterance} utterance */
  async play(utterance) {
    this.stop();
    const { load, microphone, onPlaying, onTrouble } = this.options;
    const abort = new AbortController();
    const over = () => {
      if (abort.signal.aborted) return;
      abort.abort();
      this.#end = null;
      onPlaying(null);
    };
    this.#end = over;
    onPlaying({ id: utterance.id, word: null });
    try {
      await audio().resume();
      const bytes = await load(utterance.id, abort.signal);
      const buffer = await audio().decodeAudioData(bytes);
      if (abort.signal.aborted) return;
      abort.signal.addEventListener('abort', quiet(microphone(), over));
      this.#sound(buffer, utterance, abort.signal);
    } catch {
      if (!abort.signal.aborted) onTrouble('recording.failed');
      over();
    }
  }

  stop() {
    this.#end?.();
  }

  /** @param {AudioBuffer} buffer @param {Utterance} utterance @param {AbortSignal} signal */
  #sound(buffer, utterance, signal) {
    const node = audio().createBufferSource();
    node.buffer = buffer;
    node.connect(output());
    const began = audio().currentTime;
    let at = -1;
    const ticker = setInterval(() => {
      const word = wordAt(utterance.words, (audio().currentTime - began) * 1000);
      if (!word || word.from === at) return;
      at = word.from;
      this.options.onPlaying({ id: utterance.id, word });
    }, TICK_MS);
    signal.addEventListener('abort', () => {
      clearInterval(ticker);
      node.onended = null;
      node.stop();
    });
    node.onended = () => this.stop();
    node.start();
  }
}

/**
 * Lets an open microphone send silence, and still hear.
 * @param {Microphone | null} microphone @param {() => void} onVoice
 * @returns {() => void} gives it back
 */
function quiet(microphone, onVoice) {
  if (!microphone) return () => {};
  const stop = watchForBargeIn(microphone.hold(), () => ({ replyId: 'recording', duck: onVoice }));
  return () => {
    stop();
    microphone.release();
  };
}
