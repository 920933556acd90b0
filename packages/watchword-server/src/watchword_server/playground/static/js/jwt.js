// Reading a token without verifying it: good for showing, never for deciding. Verification is the API's.

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** {header, payload, parts} of a compact JWS, unverified; null for anything else. */
export function readUnverified(raw) {
  const parts = raw.split(".");
  if (parts.length !== 3) return null;
  try {
    return { parts, header: json(parts[0]), payload: json(parts[1]) };
  } catch {
    return null;
  }
}

function json(part) {
  const binary = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0))));
}

/** The same token with a role added to its payload, and the signature left as it was: what a forger would send. */
export function forged(raw) {
  const token = readUnverified(raw);
  if (!token) return `${raw}x`;
  const payload = { ...token.payload, roles: ["admin"], scope: "reports:read watchword:admin" };
  const bytes = new TextEncoder().encode(JSON.stringify(payload));
  return [token.parts[0], base64url(bytes), token.parts[2]].join(".");
}

function base64url(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const [a, b = 0, c = 0] = bytes.slice(at, at + 3);
    const quad = [a >> 2, ((a & 3) << 4) | (b >> 4), ((b & 15) << 2) | (c >> 6), c & 63];
    text += quad.slice(0, Math.min(4, bytes.length - at + 1)).map((index) => BASE64URL[index]).join("");
  }
  return text;
}
