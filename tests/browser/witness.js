/**
 * Runs before the page in every test and writes down what a person would see and hear: words as
 * they change, clips that really sound, and what the page's own rules refused.
 */
(() => {
  const journal = { words: [], controls: [], replays: 0, clips: [], spoken: [], violations: [] };
  window.journal = journal;

  document.addEventListener('securitypolicyviolation', (event) => {
    journal.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
  });

  const last = new Map();
  let replaying = false;
  const look = () => {
    const { micState: mic, control } = document.documentElement.dataset;
    if (control && journal.controls.at(-1) !== control) journal.controls.push(control);
    const pressed = Boolean(document.querySelector('[data-testid=play][aria-pressed=true]'));
    if (pressed && !replaying) journal.replays += 1;
    replaying = pressed;
    const entries = '[data-testid=partial], [data-testid=utterance], [data-testid=reply]';
    for (const element of document.querySelectorAll(entries)) {
      const { testid: kind, id } = element.dataset;
      const text = element.querySelector('.words')?.textContent ?? '';
      if (!text || last.get(id) === kind + text) continue;
      last.set(id, kind + text);
      journal.words.push({ kind, id, text, mic, at: performance.now() });
    }
  };
  new MutationObserver(look).observe(document, {
    attributes: true,
    characterData: true,
    childList: true,
    subtree: true,
  });

  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...args) {
    const { buffer, context } = this;
    const clip = {
      seconds: buffer.duration,
      peak: buffer.getChannelData(0).reduce((most, x) => Math.max(most, Math.abs(x)), 0),
      began: context.currentTime,
      ended: null,
      state: null,
    };
    journal.clips.push(clip);
    this.addEventListener('ended', () => {
      clip.ended = context.currentTime;
      clip.state = context.state;
    });
    return start.apply(this, args);
  };
})();
