// Silent refresh: renews the access token before it runs out, as long as the switch is on.

import { byId } from "./dom.js";
import { journal } from "./journal.js";
import { isExpired, isLive, refresh, session } from "./session.js";

const AT = 0.8;
const RETRY_AFTER = 5_000;
let timer = 0;
let told = null;

/** When the next silent refresh is due, in milliseconds of this browser's clock. */
export function dueAt(token) {
  return token.issuedAt + (token.expiresAt - token.issuedAt) * AT;
}

export function startSilentRefresh() {
  const box = byId("silent");
  session.patch({ silent: box.checked });
  box.addEventListener("change", () => {
    session.patch({ silent: box.checked });
    plan();
  });
  session.watch(plan);
  // Timers of hidden tabs are slowed down: look again when the tab is.
  document.addEventListener("visibilitychange", () => document.hidden || plan());
}

function plan() {
  clearTimeout(timer);
  if (!isLive()) return;
  const { token, silent } = session.value;
  if (silent) timer = setTimeout(renew, Math.max(0, dueAt(token) - Date.now()));
  else timer = setTimeout(noteExpiry, Math.max(0, token.expiresAt - Date.now()), token);
}

async function renew() {
  if (isLive() && session.value.silent && !(await refresh("silent")) && isLive()) timer = setTimeout(renew, RETRY_AFTER);
}

function noteExpiry(token) {
  if (!isLive() || session.value.token !== token || !isExpired(token) || told === token) return;
  told = token;
  journal.remark("The access token ran out", "warn");
  session.patch({});
}
