/** Elements, made without markup: text is always text. */

const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [props] `class`, `data-*`, `aria-*`, `on…` handlers, attributes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

/** @param {string} name of a symbol in index.html, drawn in the colour of the text */
export function icon(name) {
  const svg = picture(name);
  svg.setAttribute('class', 'icon');
  return svg;
}

/** With its own colours. */
export function brandIcon() {
  return picture('brand');
}

/** @param {string} name */
function picture(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Changes the text only where it differs, so that nothing is announced twice. */
/** @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Whether a key belongs to a word that is being chosen. Safari ends the composition before it tells
 * of the Enter that did, and marks that key with this code.
 * @param {KeyboardEvent} event
 */
export function composing({ isComposing, keyCode }) {
  return isComposing || keyCode === 229;
}

/** @param {() => void} draw @returns {() => void} asks for one drawing in the next frame */
export function eachFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const run = () => {
      if (!asked) return;
      asked = false;
      draw();
    };
    requestAnimationFrame(run);
    // A hidden tab has no frames, yet its title and state should be right.
    if (document.hidden) setTimeout(run, 200);
  };
}
