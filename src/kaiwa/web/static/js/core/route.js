/** What the URL's fragment says: `#code=XXXX`, `#/talks/ID`, or both joined with `&`. */

/** @typedef {{code: string | null, talk: string | null}} Route */

/** @param {string} hash as in location.hash @returns {Route} */
export function parseRoute(hash) {
  /** @type {Route} */
  const route = { code: null, talk: null };
  for (const part of hash.replace(/^#/, '').split('&')) {
    const talk = /^\/talks\/([A-Za-z0-9_-]+)$/.exec(part);
    if (talk) route.talk = talk[1];
    else if (part.startsWith('code=')) route.code = decode(part.slice('code='.length)) || null;
  }
  return route;
}

/** @param {string | null} talk */
export function routeHash(talk) {
  return talk ? `#/talks/${talk}` : '#/';
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
