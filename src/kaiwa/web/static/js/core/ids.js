/** Ids a page mints: captures, listeners, idempotency keys. */

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'; // 32 signs: five bits of a random byte each

/** 20 lower-case letters and digits, 100 random bits. */
export function mintId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (b) => ALPHABET[b & 31]).join('');
}
