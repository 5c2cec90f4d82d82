/**
 * Ways to turn an open microphone into bytes. Each gives a ReadableStream that ends after `stop()`
 * with all that was said, its content type, and whether a broken upload can go on where it was.
 */

/** @import {Bytes, Source} from '../types.js' */
/** @import {Microphone} from './microphone.js' */
import { L16 } from '../core/protocol.js';
import { l16Encoder } from '../core/pcm.js';

const CHUNK_MS = 100;
const BITS_PER_SECOND = 32_000; // speech needs no more; the default is 128,000
const CONTAINERS = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4'];
const FLUSH_MS = 500; // an audio thread that does not answer by then has gone

/** @param {Microphone} microphone @param {'pcm' | 'recorder' | null} [wish] */
export async function openSource(microphone, wish = null) {
  const canPcm = 'audioWorklet' in microphone.context;
  return wish === 'recorder' || !canPcm ? recorderSource(microphone) : pcmSource(microphone);
}

/** @param {Microphone} microphone @returns {Promise<Source>} */
async function pcmSource({ context, source }) {
  await context.audioWorklet.addModule(new URL('./pcm-worklet.js', import.meta.url));
  const node = new AudioWorkletNode(context, 'kaiwa-pcm', {
    channelCount: 1,
    channelCountMode: 'explicit',
    outputChannelCount: [1],
  });
  /** @type {ReadableStream<Float32Array>} */
  const blocks = new ReadableStream({
    start(controller) {
      let open = true;
      const close = () => {
        if (open) controller.close();
        open = false;
      };
      node.port.onmessage = ({ data }) => {
        if (data === null) close();
        else if (open) controller.enqueue(data);
      };
      node.addEventListener('processorerror', close);
      closers.set(node, close);
    },
  });
  source.connect(node);
  node.connect(context.destination); // silence, but Safari runs no node that leads nowhere
  return {
    kind: 'pcm',
    contentType: L16,
    resumable: true,
    bytes: blocks.pipeThrough(l16Encoder()),
    stop() {
      node.port.postMessage('flush');
      setTimeout(() => closers.get(node)?.(), FLUSH_MS);
    },
  };
}

/** @type {WeakMap<AudioWorkletNode, () => void>} */
const closers = new WeakMap();

/** @param {Microphone} microphone @returns {Source} */
function recorderSource({ stream }) {
  const mimeType = CONTAINERS.find((type) => MediaRecorder.isTypeSupported(type)) ?? '';
  const recorder = new MediaRecorder(stream, {
    mimeType,
    audioBitsPerSecond: BITS_PER_SECOND,
  });
  /** @type {ReadableStream<Blob>} */
  const blobs = new ReadableStream({
    start(controller) {
      recorder.ondataavailable = ({ data }) => data.size && controller.enqueue(data);
      recorder.onstop = () => controller.close();
      recorder.onerror = (event) => controller.error(event);
      recorder.start(CHUNK_MS);
    },
  });
  return {
    kind: 'recorder',
    contentType: (recorder.mimeType || mimeType).split(';')[0],
    resumable: false,
    bytes: blobs.pipeThrough(blobBytes()),
    stop() {
      if (recorder.state !== 'inactive') recorder.stop();
    },
  };
}

/** @returns {TransformStream<Blob, Bytes>} */
function blobBytes() {
  return new TransformStream({
    async transform(blob, controller) {
      controller.enqueue(new Uint8Array(await blob.arrayBuffer()));
    },
  });
}
