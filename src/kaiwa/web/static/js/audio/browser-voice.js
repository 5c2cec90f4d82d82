/** The browser's own voice (speechSynthesis), one clause at a time. */

/** @type {Record<string, string>} what the common voices are registered as */
const REGIONS = {
  ja: 'ja-JP',
  en: 'en-US',
  zh: 'zh-CN',
  ko: 'ko-KR',
  fr: 'fr-FR',
  de: 'de-DE',
  es: 'es-ES',
  it: 'it-IT',
  pt: 'pt-BR',
  ru: 'ru-RU',
};

const START_MS = 4000; // a voice that has not begun by then does not exist
const MS_PER_SIGN = 600; // far slower than any voice speaks

/**
 * @param {string} language the talk's: ISO 639-1 or `auto`
 * @param {string} text
 * @returns {string} BCP 47
 */
export function languageOf(language, text) {
  if (language !== 'auto') return REGIONS[language] ?? language;
  if (/[\u3040-\u30ff]/.test(text)) return REGIONS.ja;
  if (/[\uac00-\ud7af]/.test(text)) return REGIONS.ko;
  if (/[\u4e00-\u9fff]/.test(text)) {
    return navigator.language.startsWith('zh') ? REGIONS.zh : REGIONS.ja;
  }
  return REGIONS.en;
}

/**
 * @param {string} text
 * @param {string} language BCP 47
 * @param {{speed: number, pitch: number}} prosody times, and semitones above, the voice's own
 * @param {{onStart: () => void, onEnd: (ok: boolean) => void}} on
 * @returns {() => void} stops it; `onEnd` is then not called
 */
export function speakAloud(text, language, prosody, on) {
  if (!('speechSynthesis' in window)) {
    queueMicrotask(() => on.onEnd(false));
    return () => {};
  }
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.lang = language;
  utterance.rate = prosody.speed;
  utterance.pitch = 2 ** (prosody.pitch / 12);
  const short = language.slice(0, 2);
  const voices = speechSynthesis.getVoices();
  utterance.voice =
    voices.find((v) => v.lang.replace('_', '-') === language && v.localService) ??
    voices.find((v) => v.lang.startsWith(short)) ??
    null;
  let over = false;
  /** @param {boolean} ok */
  const end = (ok) => {
    clearTimeout(timer);
    if (over) return;
    over = true;
    on.onEnd(ok);
  };
  let timer = setTimeout(() => end(false), START_MS);
  utterance.onstart = () => {
    clearTimeout(timer);
    // Some browsers lose the end of an utterance; the talk must go on.
    timer = setTimeout(() => end(true), START_MS + text.length * MS_PER_SIGN);
    if (!over) on.onStart();
  };
  utterance.onend = () => end(true);
  utterance.onerror = () => end(false);
  speechSynthesis.speak(utterance);
  return () => {
    over = true;
    clearTimeout(timer);
    speechSynthesis.cancel();
  };
}
