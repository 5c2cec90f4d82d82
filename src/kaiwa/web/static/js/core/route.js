/**
 * What the URL's fragment says: `#code=XXXX`, `#invite=XXXX`, `#/talks/ID`, `#/talks/ID/SEQ`, or
 * several joined with `&`.
 */

/** @typedef {{code: string | null, invite: string | null, talk: string | null, seq: number | null}} Route */

/** @param {string} hash as in location.hash @returns {Route} */
export function parseRoute(hash) {
  /** @type {Route} */
  const route = { code: null, invite: null, talk: null, seq: null };
  for (const part of hash.replace(/^#/, '').split('&')) {
    const talk = /^\/talks\/([A-Za-z0-9_-]+)(?:\/(\d{1,15}))?$/.exec(part);
    if (talk) {
      route.talk = talk[1];
      route.seq = talk[2] ? Number(talk[2]) : null;
    } else if (part.startsWith('invite=')) route.invite = decode(part.slice('invite='.length)) || null;
    else if (part.startsWith('code=')) route.code = decode(part.slice('code='.length)) || null;
  }
  return route;
}

/** @param {string | null} talk @param {number} [seq] of what is to be shown in it */
export function routeHash(talk, seq) {
  if (!talk) return '#/';
  return seq ? `#/talks/${talk}/${seq}` : `#/talks/${talk}`;
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
