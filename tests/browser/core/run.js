// Runs every test module and leaves `window.results` behind.
import { run } from './harness.js';
import './captures.test.js';
import './control.test.js';
import './ducking.test.js';
import './i18n.test.js';
import './keys.test.js';
import './microphone.test.js';
import './pcm.test.js';
import './playback.test.js';
import './protocol.test.js';
import './route.test.js';
import './search.test.js';
import './session.test.js';
import './sse.test.js';
import './state.test.js';
import './stream.test.js';
import './timing.test.js';
import './views.test.js';
import './voice.test.js';
import './words.test.js';

window.results = await run();
for (const { name, ok, error } of window.results) {
  const line = document.body.appendChild(document.createElement('p'));
  line.textContent = ok ? `ok: ${name}` : `FAILED: ${name}: ${error}`;
}
