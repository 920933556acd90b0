// What the claims of an access token mean (RFC 7519, RFC 9068, and Watchword's own), for people. Pure.

import { clock, span } from "./words.js";

const MEANINGS = {
  alg: () => "how it is signed",
  kid: () => "which key signed it",
  typ: () => "an access token, RFC 9068",
  iss: () => "who issued it",
  sub: () => "the account",
  aud: () => "for whom it is meant",
  client_id: () => "through which client",
  jti: () => "this one token",
  sid: () => "this login on this device",
  rev: () => "head of the revocation log at issue",
  scope: (scope) => (scope ? "what it may do" : "none"),
  roles: () => "who may do what",
  amr: () => "how the person logged in",
  auth_time: (at) => `logged in at ${clock(at)}`,
  iat: (at) => `issued at ${clock(at)}`,
  exp: (at, now) => (at * 1000 > now ? `ends in ${span(at * 1000 - now)}` : `ended ${span(now - at * 1000)} ago`),
};

/** A few words on that claim, or "". */
export function meaning(name, value, now = Date.now()) {
  return MEANINGS[name]?.(value, now) ?? "";
}
