// What is asked of the server again and again: the log after what is known, and the verifiers. Draws nothing.

import { Cell } from "./cell.js";
import { call, session } from "./session.js";

const CALM = 1_000;
const ALERT = 100;
const ALERT_FOR = 5_000;
const PAGE = 500;

/** Living cut-offs by axis and value; newest position first when sorted by views. */
export const log = new Cell(new Map());
/** The last answer about verifiers, or null. */
export const map = new Cell(null);
/** The cut-off that is watched: {position} or null. */
export const focus = new Cell(null);

let cursor = null;
let alertUntil = 0;
let timer = null;
let asking = false;

export function startWatching() {
  session.watch(({ status }) => {
    if (status === "live") return look();
    clearTimeout(timer);
    cursor = null;
    log.set(new Map());
    map.set(null);
    focus.set(null);
  });
  document.addEventListener("visibilitychange", () => !document.hidden && look());
}

/** Watch how one cut-off arrives; look often for a while. */
export function follow(position) {
  focus.set({ position });
  alertUntil = Date.now() + ALERT_FOR;
  look();
}

async function look() {
  if (asking || session.value.status !== "live" || document.hidden) return;
  clearTimeout(timer);
  asking = true;
  let more = false;
  try {
    [more] = await Promise.all([lookAtLog(), lookAtVerifiers()]);
  } finally {
    asking = false;
  }
  if (session.value.status === "live") timer = setTimeout(look, more || Date.now() < alertUntil ? ALERT : CALM);
}

async function lookAtLog() {
  const after = cursor === null ? "" : `&after=${encodeURIComponent(cursor)}`;
  const answer = await call("GET", `/cut-offs?limit=${PAGE}${after}`);
  if (!answer.ok || session.value.status !== "live") return false;
  cursor = answer.body.cursor;
  if (answer.body.cut_offs.length > 0) {
    const known = new Map(log.value);
    for (const entry of answer.body.cut_offs) known.set(`${entry.axis} ${entry.value}`, entry);
    log.set(known);
  }
  return answer.body.next_after !== null;
}

async function lookAtVerifiers() {
  const since = focus.value ? `?since=${focus.value.position}` : "";
  const answer = await call("GET", `/verifiers${since}`);
  if (answer.ok && session.value.status === "live") map.set(answer.body);
}
