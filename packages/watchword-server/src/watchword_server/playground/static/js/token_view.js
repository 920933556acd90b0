// The access token card: the ring, the raw token in three colours, and its claims in words.

import { meaning } from "./claims.js";
import { announce, byId, h, onPress } from "./dom.js";
import { ring } from "./ring.js";
import { isLive, refresh, session } from "./session.js";
import { dueAt } from "./silent.js";
import { span } from "./words.js";

const LATE = 0.25;
let draw;
let shown = null;

export function startToken() {
  draw = ring(byId("ring"));
  onPress(byId("refresh"), () => refresh("asked"));
  onPress(byId("copy-token"), async () => {
    await navigator.clipboard?.writeText(session.value.token.raw).catch(() => {});
    announce("Access token copied.");
  });
  session.watch(({ token }) => {
    if (token && token !== shown) showToken(token);
    shown = token ?? null;
    tick();
  });
  setInterval(tick, 250);
}

function tick() {
  const { token, status, silent } = session.value;
  const card = byId("token");
  const state = stateOf(token, status);
  card.dataset.state = state;
  byId("refresh").disabled = !isLive();
  if (!token) return;
  const left = Math.max(0, token.expiresAt - Date.now());
  const over = state === "expired" || state === "dead";
  draw({
    share: over ? 0 : left / (token.expiresAt - token.issuedAt),
    number: over ? state : String(Math.ceil(left / 1000)),
    unit: over ? "" : "seconds",
    label: over ? `The token is ${state}` : `${Math.ceil(left / 1000)} seconds left`,
  });
  say("token-state", { live: "Alive", late: "About to run out", expired: "Ran out", dead: "Dead" }[state]);
  say("token-plan", plan(state, token, silent));
  const exp = byId("decoded").querySelector("[data-claim=exp]");
  if (exp) exp.textContent = meaning("exp", token.payload.exp);
}

function stateOf(token, status) {
  if (!token) return "none";
  if (status === "ended") return "dead";
  const left = token.expiresAt - Date.now();
  if (left <= 0) return "expired";
  return left / (token.expiresAt - token.issuedAt) < LATE ? "late" : "live";
}

function plan(state, token, silent) {
  if (state === "dead") return "Its session is over. It has not run out, yet no one takes it: call the API and see.";
  if (silent) return `A silent refresh comes in ${span(dueAt(token) - Date.now() + 999)}.`;
  if (state === "expired") return "Call the API to be refused, then refresh.";
  return "Silent refresh is off: it will run out.";
}

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function showToken({ raw, parts, header, payload }) {
  const names = ["header", "payload", "signature"];
  byId("raw").replaceChildren(...parts.flatMap((part, index) => [
    index ? "." : null, h("span", { class: `part-${names[index]}` }, part),
  ]).filter(Boolean));
  byId("decoded").replaceChildren(
    part("header", "Header", "how to check it", header),
    part("payload", "Payload", "anyone can read it, so no secrets", payload),
    h("section", { class: "part-signature" }, h("h3", {}, "Signature", h("small", {}, "no one else can make it")),
      h("p", { class: "claims" }, `${(parts[2] ?? raw).slice(0, 22)}…`)),
  );
}

function part(name, title, note, claims) {
  const rows = Object.entries(claims).flatMap(([key, value]) => [
    h("dt", {}, key),
    h("dd", {}, typeof value === "string" ? value : JSON.stringify(value), h("span", { "data-claim": key }, meaning(key, value))),
  ]);
  return h("section", { class: `part-${name}` }, h("h3", {}, title, h("small", {}, note)), h("dl", { class: "claims" }, rows));
}
