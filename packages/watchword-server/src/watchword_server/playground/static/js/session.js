// The session of this browser: log in, refresh, end. The access token lives in this module's memory alone.
// Draws nothing; every view watches `session`.

import { Cell } from "./cell.js";
import { exchange } from "./exchange.js";
import { journal } from "./journal.js";
import { readUnverified } from "./jwt.js";
import { alone, hint, keepHint } from "./refresh_cookie.js";
import * as tabs from "./tabs.js";

/** {status: "out"} | {status: "live", token, account, notices, how} | {status: "ended", token, reason, account}.
 *  token: {raw, header, payload, parts, issuedAt, expiresAt} in milliseconds of this browser's clock. */
export const session = new Cell({ status: "out" });

export const isLive = () => session.value.status === "live";
export const isExpired = (token) => Date.now() >= token.expiresAt;

/** Pick up where another tab is, or where an earlier visit left its cookie. */
export async function restore() {
  tabs.hear(heard);
  const told = await tabs.askForToken();
  if (told) return take(told, "shared");
  if (hint()) await refresh("restore");
}

export async function register(details) {
  return exchange("POST", "/auth/register", { json: details });
}

export async function login(identifier, password) {
  const answer = await exchange("POST", "/auth/login", { json: { identifier, password } });
  if (answer.ok) {
    adopt(answer.body, "login");
    await learnWho();
  }
  return answer;
}

/**
 * Trade the refresh cookie for a new access token. One refresh at a time over all tabs: whoever waited finds that it
 * was done for him. Returns true when the session lives.
 */
export function refresh(how = "asked") {
  const held = session.value.token?.raw;
  return alone(async () => {
    if (isLive() && session.value.token.raw !== held) return true;
    const answer = await exchange("POST", "/auth/refresh");
    if (answer.ok) {
      adopt(answer.body, how);
      if (!session.value.account) await learnWho();
      return true;
    }
    if (answer.status === 401) ended(answer.body?.reason ?? answer.body?.code ?? "refused", how);
    return false;
  });
}

/** A call with the access token; a refused one is tried once more after a refresh, unless the token merely ran out
 *  while silent refresh is off. */
export async function withToken(method, path, options = {}) {
  const { token } = session.value;
  const answer = await exchange(method, path, { ...options, token: token?.raw });
  if (answer.status !== 401 || !isLive() || (isExpired(token) && !session.value.silent)) return answer;
  if (!(await refresh("refused"))) return answer;
  return exchange(method, path, { ...options, token: session.value.token.raw });
}

/** Who is logged in, and what the account should know. */
export async function learnWho() {
  const answer = await withToken("GET", "/auth/me");
  if (answer.ok && isLive()) session.patch({ account: answer.body.account, notices: answer.body.notices ?? [] });
}

/** Tell the server that the notices up to that one were read. */
export async function noticesRead(upTo) {
  const answer = await withToken("POST", "/auth/notices/read", { json: { up_to: upTo } });
  if (answer.ok && isLive()) session.patch({ notices: session.value.notices.filter(({ id }) => id > upTo) });
}

export async function logout({ everywhere = false } = {}) {
  const { token } = session.value;
  const answer = everywhere
    ? await withToken("POST", "/auth/logout-all")
    : await exchange("POST", "/auth/logout", { token: token.raw });
  if (answer.ok) ended(everywhere ? "logged out everywhere" : "logged out");
  return answer;
}

/** The session is over. The dead token is kept, to show that nobody takes it any more. */
export function ended(reason, how = "asked", { fromOtherTab = false } = {}) {
  const { token = null, account = null, status } = session.value;
  keepHint(false);
  if (status === "ended") return;
  session.set({ ...session.value, status: token ? "ended" : "out", token, account, reason, how, at: Date.now() });
  if (!fromOtherTab) tabs.tell({ type: "ended", reason });
}

function adopt(body, how) {
  take({ access_token: body.access_token, expiresAt: Date.now() + body.expires_in * 1000 }, how);
  tabs.tell({ type: "token", access_token: body.access_token, expiresAt: session.value.token.expiresAt });
}

function take({ access_token: raw, expiresAt }, how) {
  const read = readUnverified(raw) ?? { parts: [raw], header: {}, payload: {} };
  const same = isLive() && session.value.token.payload.sid === read.payload.sid;
  keepHint(true);
  session.set({
    status: "live", how, silent: session.value.silent,
    token: { raw, ...read, issuedAt: Date.now(), expiresAt },
    account: same ? session.value.account : null,
    notices: same ? session.value.notices : [],
  });
  if (how === "shared" && !same) learnWho();
}

function heard(message) {
  if (message.type === "ask" && isLive()) {
    tabs.tell({ type: "token", access_token: session.value.token.raw, expiresAt: session.value.token.expiresAt });
  } else if (message.type === "token" && message.access_token !== session.value.token?.raw) {
    journal.remark("Another tab refreshed and handed its token over", "good");
    take(message, "shared");
  } else if (message.type === "ended" && isLive()) {
    ended(message.reason, "told", { fromOtherTab: true });
  }
}
