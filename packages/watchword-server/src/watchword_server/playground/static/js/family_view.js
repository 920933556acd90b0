// The thread: one bead a generation, tied on as refreshes happen. Choosing a bead chooses what the thief shows.

import { Cell } from "./cell.js";
import { byId, h } from "./dom.js";
import { family } from "./family.js";
import { isLive, session } from "./session.js";
import { dueAt } from "./silent.js";
import { ago, clock, span } from "./words.js";

const SHOWN = 12;

/** The generation chosen for a replay; null for none. */
export const chosen = new Cell(null);

let drawn = { sid: null, generation: -1 };

export function startFamily() {
  family.watch((now, before) => {
    if (now?.sid !== before?.sid || now === null) chosen.set(null);
    show(now);
  });
  chosen.watch(() => show(family.value));
  setInterval(() => facts(family.value), 1000);
}

function show(now) {
  const card = document.querySelector(".family");
  card.dataset.state = now?.dead || now?.revoked_at ? "dead" : now ? "alive" : "none";
  byId("family-empty").hidden = now !== null;
  byId("thread").hidden = now === null;
  facts(now);
  if (!now) return;
  const focused = document.activeElement?.dataset.generation;
  const from = Math.max(0, now.beads.length - SHOWN);
  const grown = drawn.sid === now.sid && now.generation > drawn.generation;
  const thread = byId("thread");
  thread.replaceChildren(...[
    from ? h("li", { class: "more" }, `+${from}`) : null,
    ...now.beads.slice(from).map((bead) => item(bead, now, grown && bead.generation === now.generation)),
    now.dead ? null : next(now),
  ].filter(Boolean));
  if (focused !== undefined) thread.querySelector(`[data-generation="${focused}"]`)?.focus();
  if (grown || drawn.sid !== now.sid) thread.scrollLeft = thread.scrollWidth;
  drawn = { sid: now.sid, generation: now.generation };
  countdown();
}

function item(bead, now, isNew) {
  const newest = bead.generation === now.generation;
  const state = now.dead ? "dead" : newest ? "alive" : "spent";
  const stays = bead.stays ? ` +${bead.stays} ${bead.stays === 1 ? "stay" : "stays"}` : "";
  const button = h("button", {
    type: "button", class: newest ? "bead now" : "bead", "data-generation": bead.generation,
    "aria-pressed": String(chosen.value === bead.generation),
    "aria-label": `Generation ${bead.generation}, ${state}${stays}. Choose it for a replay.`,
    onclick: () => chosen.set(chosen.value === bead.generation ? null : bead.generation),
  }, h("i", { "aria-hidden": "true" }, String(bead.generation)),
  h("span", { class: "when", "aria-hidden": "true" }, h("b", {}, state), bead.at ? clock(bead.at) : "earlier", stays ? h("br") : null, stays.trim()));
  return h("li", { class: isNew ? "tied" : null }, button);
}

/** The bead that is to come, with the time until the silent refresh that ties it. */
function next(now) {
  return h("li", { class: "next", "aria-hidden": "true" },
    h("span", { class: "bead" }, h("i", {}, String(now.generation + 1)), h("span", { class: "when" }, h("b", {}, "next"), h("span", { id: "next-when" }))));
}

function countdown() {
  const line = document.getElementById("next-when");
  if (!line || !isLive()) return;
  const { token, silent } = session.value;
  line.textContent = silent ? `in ${span(dueAt(token) - Date.now() + 999)}` : "when asked";
}

function facts(now) {
  countdown();
  const line = byId("family-facts");
  const text = !now ? "" : now.dead || now.revoked_at
    ? "Cut off. It never comes back."
    : `rotated ${ago(now.rotated_at)} · ${now.refresh_count} ${now.refresh_count === 1 ? "refresh" : "refreshes"} · odd ${now.odd_count}`
      + ` · idle end in ${span(now.idle_expires_at * 1000 - Date.now())}, absolute in ${span(now.expires_at * 1000 - Date.now())}`;
  if (line.textContent !== text) line.textContent = text;
}
