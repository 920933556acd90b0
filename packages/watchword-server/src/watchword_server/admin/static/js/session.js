// The administrator's login: the access token lives in this module's memory, the refresh token in its HttpOnly cookie.
// Draws nothing; views watch `session`. The one way out of this page.

import { Cell } from "./cell.js";
// The playground's tabs use the same cookie, so all take turns.
import { alone, hint, keepHint } from "./refresh_cookie.js";

const PATIENCE = 15_000;
const EARLY = 2_000;

/** {status: "out", why} | {status: "live", email}. */
export const session = new Cell({ status: "out", why: "" });

let token = null;
let refreshing = null;

/** Pick up where an earlier visit left its cookie. */
export async function restore() {
  if (hint() && (await refresh())) await enter();
}

/** Log in. Returns the words of a refusal, or null. */
export async function login(identifier, password) {
  const answer = await send("POST", "/auth/login", { identifier, password });
  if (!answer.ok) return explanation(answer);
  adopt(answer.body);
  await enter();
  return null;
}

export async function logout() {
  await send("POST", "/auth/logout", undefined, token?.raw);
  leave("");
}

/** A call of the administration API: {ok, status, body}. A token that ran out is replaced once. */
export async function call(method, path, json) {
  if (token && Date.now() > token.expiresAt - EARLY) await refresh();
  const used = token?.raw;
  const answer = await send(method, `/admin/api${path}`, json, used);
  if (answer.status !== 401) return answer;
  // Another call may have replaced it meanwhile.
  if (token?.raw === used && !(await refresh())) {
    if (session.value.status === "live") leave("Your session is over. If you did not end it, somebody cut it off.");
    return answer;
  }
  return send(method, `/admin/api${path}`, json, token?.raw);
}

/** What a refused answer says of itself, for people. */
export function explanation(answer) {
  if (answer.status === 0) return "There was no answer. Is the server still running?";
  const fields = (answer.body?.errors ?? []).map(({ field, detail }) => `${field}: ${detail}`);
  return fields.join("\n") || answer.body?.detail || `The answer was ${answer.status}.`;
}

async function enter() {
  const allowed = await call("GET", "/cut-offs?limit=1");
  if (allowed.status === 403) return leave("This account is no administrator: its role lacks the scope watchword:admin.");
  if (!allowed.ok) return leave(explanation(allowed));
  const me = await send("GET", "/auth/me", undefined, token?.raw);
  session.set({ status: "live", email: me.body?.account?.email ?? "" });
}

function leave(why) {
  token = null;
  keepHint(false);
  session.set({ status: "out", why });
}

function refresh() {
  refreshing ??= alone(async () => {
    const answer = await send("POST", "/auth/refresh");
    if (answer.ok) adopt(answer.body);
    return answer.ok;
  }).finally(() => (refreshing = null));
  return refreshing;
}

function adopt({ access_token: raw, expires_in: seconds }) {
  token = { raw, expiresAt: Date.now() + seconds * 1000 };
  keepHint(true);
}

async function send(method, path, json, bearer) {
  const headers = new Headers({ Accept: "application/json" });
  if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
  if (json !== undefined) headers.set("Content-Type", "application/json");
  try {
    const response = await fetch(path, {
      method, headers, credentials: "same-origin", cache: "no-store", redirect: "error",
      signal: AbortSignal.timeout(PATIENCE), body: json === undefined ? undefined : JSON.stringify(json),
    });
    const text = await response.text();
    return { ok: response.ok, status: response.status, body: text ? JSON.parse(text) : null };
  } catch {
    return { ok: false, status: 0, body: null };
  }
}
