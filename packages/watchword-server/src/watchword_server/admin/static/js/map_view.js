// The map: each verifier that names itself, turning from not yet to sent to confirmed. Says no more than is known.

import { byId, h } from "./dom.js";
import { focus, map } from "./watching.js";

const MOST = 200;

export function startMap() {
  map.watch(show);
  focus.watch(show);
}

function show() {
  const known = map.value;
  const all = known?.verifiers ?? [];
  byId("map-empty").hidden = all.length > 0;
  byId("map-facts").textContent = known ? `the log stands at ${known.head}` : "";
  byId("map").replaceChildren(...all.slice(0, MOST).map(row));
  const said = arrival(all);
  // Only what changed is said aloud.
  if (byId("arrival").textContent !== said) byId("arrival").textContent = said;
  byId("map-notes").textContent = known ? notes(known) : "";
}

/** "fresh", "sent" or "stale": up to the watched cut-off, or up to the head when none is watched. */
function stateOf(verifier) {
  const wanted = focus.value?.position ?? map.value.head;
  if (verifier.confirmed !== null && verifier.confirmed >= wanted) return "fresh";
  if (verifier.sent !== null && verifier.sent >= wanted) return "sent";
  return "stale";
}

function row(verifier) {
  const state = stateOf(verifier);
  return h("li", { "data-state": state, "data-name": verifier.name },
    h("i", { class: "dot", "data-state": state, "aria-hidden": "true" }),
    h("div", { class: "who" },
      h("strong", {}, verifier.name),
      h("p", {}, `${verifier.instance} · ${verifier.mode} · asked ${ago(verifier.age)}`),
    ),
    h("div", { class: "took" }, ...took(verifier, state)),
  );
}

function took(verifier, state) {
  if (state === "stale") return [h("b", {}, "not yet"), behind(verifier)];
  const watched = focus.value !== null;
  if (state === "sent") return [h("b", {}, watched ? milliseconds(verifier.sent_ms, "sent") : "sent"), "sent, not confirmed"];
  if (!watched) return [h("b", {}, "up to date"), `confirmed ${verifier.confirmed}`];
  const sent = verifier.sent_ms === null ? "" : `sent ${milliseconds(verifier.sent_ms)}, `;
  return [h("b", {}, milliseconds(verifier.sent_ms ?? verifier.confirmed_ms, "confirmed")), verifier.confirmed_ms === null ? "confirmed" : `${sent}confirmed ${milliseconds(verifier.confirmed_ms)}`];
}

function behind({ lag }) {
  if (lag === null) return "nothing confirmed yet";
  return lag === 0 ? "" : `${lag} behind`;
}

function arrival(all) {
  if (!focus.value || all.length === 0) return "";
  const states = all.map(stateOf);
  const sent = states.filter((state) => state !== "stale").length;
  const confirmed = states.filter((state) => state === "fresh").length;
  const slowest = Math.max(...all.map(({ sent_ms }) => sent_ms ?? -1));
  const within = slowest >= 0 && sent === all.length ? ` within ${milliseconds(slowest)}` : "";
  return `Cut-off ${focus.value.position}: sent to ${sent} of ${all.length}${within}, confirmed by ${confirmed}${confirmed < all.length ? " so far" : ""}.`;
}

function notes({ workers, process, unnamed, verifiers }) {
  const said = [];
  if (workers > 1) said.push(`This is what server process ${process} sees; ${workers} share this port, each with verifiers of its own, and they answer in turn.`);
  if (unnamed) said.push("Somebody also reads the feed without a name.");
  if (verifiers.length > MOST) said.push(`${verifiers.length - MOST} more are not drawn.`);
  return said.join(" ");
}

function milliseconds(value, otherwise = "") {
  if (value === null) return otherwise;
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`;
}

function ago(seconds) {
  return seconds < 1 ? "just now" : `${Math.round(seconds)} s ago`;
}
