// The sequence diagram: keeps one group an entry of the journal, lays them out below one another, and follows the newest.

import { byId, h, s } from "./dom.js";
import { EXCHANGE_HEIGHT, drawExchange, drawRemark, lanesAt, spoken } from "./diagram_row.js";
import { apiOrigin, serverOrigin } from "./exchange.js";
import { closeInspector, inspect, inspected } from "./inspector.js";
import { journal } from "./journal.js";

const groups = new Map();
const lines = s("g", {});
let width = 0;
let bookkeeping = false;
let atEnd = true;

export function startDiagram() {
  byId("diagram").append(lines);
  journal.addEventListener("added", ({ detail }) => add(detail));
  journal.addEventListener("changed", ({ detail }) => change(detail));
  journal.addEventListener("dropped", ({ detail }) => drop(detail));
  journal.addEventListener("cleared", clear);
  inspected.watch(mark);
  byId("clear").addEventListener("click", () => journal.clear());
  byId("bookkeeping").addEventListener("change", ({ target }) => {
    bookkeeping = target.checked;
    lay();
  });
  byId("diagram").addEventListener("keydown", move);
  byId("diagram-scroll").addEventListener("scroll", () => (atEnd = nearEnd()), { passive: true });
  new ResizeObserver(() => resize()).observe(byId("diagram-scroll"));
  resize();
}

function resize() {
  const now = byId("diagram").clientWidth || 600;
  if (now === width) return follow();
  width = now;
  const lanes = lanesAt(width);
  const names = width < 480 ? { browser: "Browser", server: "Auth server", api: "Demo API" }
    : { browser: "Browser", server: "Authorization server", api: "Demonstration API" };
  const hosts = { browser: "this page", server: new URL(serverOrigin).host, api: new URL(apiOrigin).host };
  byId("lanes").replaceChildren(...Object.keys(lanes).map((lane) => {
    const name = h("span", {}, names[lane], h("small", {}, hosts[lane]));
    name.style.left = `${lanes[lane]}px`;
    return name;
  }));
  for (const { entry, group } of groups.values()) draw(entry, group);
  lay();
}

function add(entry) {
  const group = entry.kind === "remark" ? s("g", { class: "remark" }) : exchangeGroup(entry);
  byId("diagram").append(group);
  groups.set(entry.id, { entry, group, height: 0 });
  draw(entry, group);
  lay();
}

function exchangeGroup(entry) {
  const group = s("g", { class: "said new", role: "button", tabindex: "-1", "aria-pressed": "false" });
  group.addEventListener("click", () => inspect(entry, group));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    inspect(entry, group);
  });
  group.addEventListener("animationend", () => group.classList.remove("new"));
  return group;
}

function draw(entry, group) {
  const kept = groups.get(entry.id);
  if (entry.kind === "remark") {
    kept.height = drawRemark(group, entry, width);
  } else {
    kept.height = EXCHANGE_HEIGHT;
    drawExchange(group, entry, width);
    group.setAttribute("aria-label", spoken(entry));
  }
}

function change(entry) {
  const kept = groups.get(entry.id);
  if (!kept) return;
  draw(entry, kept.group);
  lay();
  if (inspected.value === entry) inspect(entry, kept.group, { again: true });
}

function drop(entry) {
  groups.get(entry.id)?.group.remove();
  groups.delete(entry.id);
  if (inspected.value === entry) closeInspector();
  lay();
}

function clear() {
  for (const { entry } of [...groups.values()]) if (!journal.entries.includes(entry)) drop(entry);
}

/** What is shown: bookkeeping only when asked for, or when it was refused. */
function visible({ entry }) {
  return !entry.quiet || bookkeeping || entry.status === 0 || entry.status >= 500;
}

function lay() {
  const svg = byId("diagram");
  let y = 6;
  for (const kept of groups.values()) {
    const shown = visible(kept);
    kept.group.setAttribute("display", shown ? "inline" : "none");
    kept.group.setAttribute("transform", `translate(0 ${y})`);
    if (shown) y += kept.height;
  }
  const lanes = lanesAt(width);
  lines.replaceChildren(...Object.entries(lanes).map(([lane, x]) => s("line", { class: `lane ${lane}`, x1: x, x2: x, y1: 0, y2: y + 8 })));
  svg.setAttribute("height", y > 6 ? y + 14 : 0);
  byId("diagram-empty").hidden = y > 6;
  rove();
  follow();
}

/** Stay with the newest, unless somebody has scrolled back or chosen one to read. */
function follow() {
  const scroll = byId("diagram-scroll");
  if (atEnd && !inspected.value) scroll.scrollTop = scroll.scrollHeight;
}

function nearEnd() {
  const scroll = byId("diagram-scroll");
  return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 90;
}

/** One stop of the Tab key for the whole diagram: the chosen exchange, or the newest. */
function rove(to = null) {
  const said = shownExchanges();
  const stop = to ?? said.find((group) => group === document.activeElement || group.getAttribute("aria-pressed") === "true") ?? said.at(-1);
  for (const group of said) group.setAttribute("tabindex", group === stop ? "0" : "-1");
}

function shownExchanges() {
  return [...byId("diagram").querySelectorAll('.said:not([display="none"])')];
}

function move(event) {
  const said = shownExchanges();
  const at = said.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: said.length - 1 }[event.key];
  if (at < 0 || next === undefined || !said[next]) return;
  event.preventDefault();
  rove(said[next]);
  said[next].focus();
}

function mark(now) {
  for (const { entry, group } of groups.values()) {
    if (entry.kind === "exchange") group.setAttribute("aria-pressed", String(entry === now));
  }
}
