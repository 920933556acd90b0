// The one way out of this page: a fetch that is written to the journal. Knows no tokens of its own and decides nothing.

import { journal } from "./journal.js";
import { redacted, redactedHeaders, shortened } from "./redact.js";

const PATIENCE = 15_000;

export const serverOrigin = location.origin;
export const apiOrigin = document.body.dataset.demo;

/**
 * Send one request and wait for its answer.
 *
 * `to` is "server" or "api"; `as` names another speaker ("thief", "second device"), which never sends this browser's
 * cookies; `quiet` marks the page's own bookkeeping; `folds` counts equal exchanges in a row as one; `bytes` takes a good
 * answer's body as an ArrayBuffer.
 * Returns {ok, status, body, ms}; status 0 when there was no answer at all. Does not throw.
 */
export async function exchange(method, path, { to = "server", token, json, as, quiet = false, folds, bytes = false } = {}) {
  const headers = new Headers({ Accept: "application/json" });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (json !== undefined) headers.set("Content-Type", "application/json");
  const credentials = to === "api" || as ? "omit" : "same-origin";
  const entry = journal.asked({
    method, path: shortened(path), to, as, quiet, folds,
    cookie: credentials === "same-origin" && path.startsWith("/auth"),
    requestHeaders: redactedHeaders(headers),
    requestBody: json === undefined ? null : redacted(json),
  });
  const started = performance.now();
  try {
    const response = await fetch((to === "api" ? apiOrigin : "") + path, {
      method, headers, credentials, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE),
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    const body = bytes && response.ok ? await response.arrayBuffer() : await readBody(response);
    const ms = performance.now() - started;
    journal.answered(entry, {
      status: response.status, ms, responseHeaders: redactedHeaders(response.headers), responseBody: redacted(body instanceof ArrayBuffer ? `${body.byteLength} bytes` : body),
    });
    return { ok: response.ok, status: response.status, body, ms };
  } catch (error) {
    const ms = performance.now() - started;
    journal.answered(entry, { status: 0, ms, responseHeaders: [], responseBody: null, error: shortened(String(error)) });
    return { ok: false, status: 0, body: null, ms };
  }
}

async function readBody(response) {
  const text = await response.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What a refused answer says of itself, for people. */
export function explanation(answer) {
  if (answer.status === 0) return "There was no answer. Is the server still running?";
  const { detail, error_description, title, error } = answer.body ?? {};
  const text = [detail, error_description, title, error].find((candidate) => typeof candidate === "string" && candidate);
  return text ?? `The answer was ${answer.status}.`;
}
