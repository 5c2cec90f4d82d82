/** The microphone: opened, measured, closed; and what went wrong, in words a person can act on. */

/** `code`: insecure, denied, none, busy, silent, failed. */
export class MicrophoneError extends Error {
  /** @param {'insecure' | 'denied' | 'none' | 'busy' | 'silent' | 'failed'} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const RATE = 16000;
const START_MS = 5000; // an audio clock that does not run by then will not

/** @type {Record<string, MicrophoneError['code']>} */
const CODES = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'none',
  OverconstrainedError: 'none',
  NotReadableError: 'busy',
  AbortError: 'busy',
};

export class Microphone {
  #muted = false;
  /** @type {MediaStreamTrack | null} what hears while it is held */
  #ear = null;

  /**
   * @param {MediaStream} stream
   * @param {AudioContext} context
   * @param {MediaStreamAudioSourceNode} source
   */
  constructor(stream, context, source) {
    this.stream = stream;
    this.context = context;
    this.source = source;
    this.track = stream.getAudioTracks()[0];
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024; // 21 ms: more than lies between two looks at the level
    this.analyser.smoothingTimeConstant = 0.6;
    source.connect(this.analyser);
  }

  /**
   * Must be called from a user's gesture: some browsers start no AudioContext without one.
   * @param {string} [device] the microphone's id; one that is gone is replaced by the usual one
   */
  static async open(device = '') {
    if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError('insecure');
    let context = contextAt(RATE);
    /** @type {MediaStream | null} */
    let stream = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          ...(device && { deviceId: { ideal: device } }),
          channelCount: 1,
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
        },
      });
      /** @type {MediaStreamAudioSourceNode} */
      let source;
      try {
        source = context.createMediaStreamSource(stream);
      } catch {
        // Firefox connects a microphone only to a context of the device's own rate.
        void context.close();
        context = new AudioContext({ latencyHint: 'interactive' });
        source = context.createMediaStreamSource(stream);
      }
      await running(context);
      return new Microphone(stream, context, source);
    } catch (error) {
      void context.close();
      for (const track of stream?.getTracks() ?? []) track.stop();
      if (error instanceof MicrophoneError) throw error;
      const name = error instanceof DOMException ? error.name : '';
      throw new MicrophoneError(CODES[name] ?? 'failed');
    }
  }

  /** Muted, it gives silence: the capture goes on. @param {boolean} on */
  mute(on) {
    this.#muted = on;
    this.#settle();
  }

  /** Gives silence too, but goes on hearing: with what this returns, until `release`. */
  hold() {
    this.release();
    const track = this.track.clone();
    track.enabled = !this.#muted;
    const analyser = this.context.createAnalyser();
    analyser.fftSize = this.analyser.fftSize;
    this.context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    this.#ear = track;
    this.#settle();
    return analyser;
  }

  release() {
    this.#ear?.stop();
    this.#ear = null;
    this.#settle();
  }

  #settle() {
    this.track.enabled = !this.#muted && !this.#ear;
  }

  close() {
    this.release();
    for (const track of this.stream.getTracks()) track.stop();
    if (this.context.state !== 'closed') void this.context.close();
  }
}

/** Throws where there is no audio device to give the time. @param {AudioContext} context */
async function running(context) {
  if (context.state === 'running') return;
  const late = new Promise((_, fail) => setTimeout(fail, START_MS, new MicrophoneError('silent')));
  await Promise.race([context.resume(), late]);
}

/** @param {number} sampleRate */
function contextAt(sampleRate) {
  try {
    return new AudioContext({ sampleRate, latencyHint: 'interactive' });
  } catch {
    return new AudioContext({ latencyHint: 'interactive' });
  }
}

/**
 * The microphones there are; their names are known only once one was allowed.
 * @returns {Promise<{id: string, name: string}[]>}
 */
export async function microphones() {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  return all
    .filter(({ kind, deviceId }) => kind === 'audioinput' && deviceId && deviceId !== 'default')
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}
