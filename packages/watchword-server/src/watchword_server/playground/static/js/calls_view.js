// The calls of the demonstration API: public, for any account, for a scope, for a role.

import { announce, byId, h, onPress } from "./dom.js";
import { apiOrigin, exchange, explanation } from "./exchange.js";
import { forged } from "./jwt.js";
import { isExpired, isLive, refresh, session } from "./session.js";

const CALLS = [
  { path: "/api/posts/popular", who: "anyone" },
  { path: "/api/profile", who: "any account" },
  { path: "/api/reports", who: "scope reports:read" },
  { path: "/api/admin/users", who: "role admin" },
];

export function startCalls() {
  byId("call-list").replaceChildren(...CALLS.map(row));
}

function row({ path, who }) {
  const outcome = h("span", { class: "pill outcome" }, "call");
  const button = h("button", { type: "button", "data-path": path }, h("code", {}, `GET ${path}`), outcome, h("small", {}, `for ${who}`));
  onPress(button, async () => {
    const answer = await call(path);
    outcome.textContent = answer.status || "none";
    outcome.dataset.tone = tone(answer.status);
    show(path, answer);
  });
  return h("li", {}, button);
}

export function tone(status) {
  if (status >= 200 && status < 300) return "good";
  return status === 403 || status === 429 ? "warn" : "bad";
}

async function call(path) {
  const answer = await send(path);
  const { token, silent } = session.value;
  const refused = answer.status === 401 && chosen() === "mine" && isLive();
  // A token refused before its time means that the session may be over; one that ran out is left so when silent is off.
  if (!refused || (isExpired(token) && !silent)) return answer;
  return (await refresh("refused")) ? send(path) : answer;
}

function send(path) {
  const raw = session.value.token?.raw;
  const token = { mine: raw, none: undefined, tampered: raw && forged(raw) }[chosen()];
  return exchange("GET", path, { to: "api", token });
}

function chosen() {
  return document.querySelector("[name=with]:checked").value;
}

function show(path, answer) {
  const said = answer.status === 0
    ? `No answer from ${apiOrigin}. Is the demonstration API running? make run starts it beside this server.`
    : answer.ok ? h("code", {}, JSON.stringify(answer.body)) : explanation(answer);
  const host = byId("call-answer");
  host.hidden = false;
  host.replaceChildren(h("span", { class: "pill", "data-tone": tone(answer.status) }, answer.status || "none"), h("p", {}, said));
  announce(`${path} answered ${answer.status || "nothing"}.`);
}
