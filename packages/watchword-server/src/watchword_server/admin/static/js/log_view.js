// The log of living cut-offs, newest first; any of them can be watched.

import { byId, h } from "./dom.js";
import { focus, follow, log } from "./watching.js";

const MOST = 100;

export function startLog() {
  log.watch(show);
  focus.watch(show);
}

function show() {
  const newest = [...log.value.values()].sort((a, b) => b.position - a.position);
  byId("log-empty").hidden = newest.length > 0;
  const shown = newest.slice(0, MOST);
  byId("log-facts").textContent = newest.length > MOST ? `the newest ${MOST} of ${newest.length}` : newest.length ? `${newest.length} living` : "";
  const held = document.activeElement?.closest?.("#log li")?.dataset.position;
  byId("log").replaceChildren(...shown.map(row));
  // The list was drawn anew; the keyboard stays where it was.
  if (held) byId("log").querySelector(`[data-position="${held}"] button`)?.focus({ preventScroll: true });
}

function row(entry) {
  const watched = focus.value?.position === entry.position;
  const at = new Date(entry.at * 1000);
  return h("li", { "data-position": entry.position, "aria-current": watched ? "true" : null },
    h("span", { class: "position" }, `#${entry.position}`),
    h("span", {}, `${entry.axis} `, entry.value ? h("code", {}, entry.value) : null),
    h("p", {}, h("time", { datetime: at.toISOString() }, at.toLocaleTimeString()), ` · ${entry.cause}`),
    h("button", { type: "button", class: "quiet", "aria-label": `Watch cut-off ${entry.position}`, onclick: () => follow(entry.position) }, watched ? "Watched" : "Watch"),
  );
}
