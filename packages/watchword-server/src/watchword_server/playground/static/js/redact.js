// Shortening secrets before they are written to the journal. What is shown can be photographed; what is shortened cannot
// be used. Keeps no secret itself.

const JWT = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const RECOGNISABLE = /\bw[a-z]_[\w.-]{8,}/g;
const SIGNED = /\bww=1\.([\w-]+)\.(\d+)\.[\w-]*\.([\w-]*)/g;
const HIDDEN = /^(password|current_password|new_password)$/;

/** A text with every token in it cut to its first and last characters. */
export function shortened(text) {
  return text.replace(JWT, (token) => `${token.slice(0, 12)}…${token.slice(-6)}`)
    .replace(RECOGNISABLE, (token) => `${token.slice(0, 9)}…${token.slice(-4)}`)
    .replace(SIGNED, (_, kid, expires, signature) => `ww=1.${kid}.${expires}.…${signature.slice(-4)}`);
}

/** A JSON value with passwords hidden and tokens shortened. */
export function redacted(value) {
  if (typeof value === "string") return shortened(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, HIDDEN.test(key) ? "••••••••" : redacted(inner)]),
  );
}

/** Headers as [name, value] pairs, tokens shortened. */
export function redactedHeaders(headers) {
  return [...headers].map(([name, value]) => [name, shortened(value)]);
}
