// The refresh family of this session, as the development-only call tells it, and the fates this page has seen.

import { Cell } from "./cell.js";
import { exchange } from "./exchange.js";
import { journal } from "./journal.js";
import { isLive, session, withToken } from "./session.js";

/** null | {sid, generation, rotated_at, window, odd_count, refresh_count, ..., beads: [{generation, at, stays}], dead}. */
export const family = new Cell(null);

let looks = Promise.resolve();

/** Look at the family again after every token this browser gets. */
export function followFamily() {
  session.watch((now, before) => {
    if (now.status === "live" && now.token !== before?.token) look(now.how);
    if (now.status === "ended" && before?.status === "live") bury(now.reason);
    if (now.status === "out") family.set(null);
  });
}

/** Look once more, after the looks under way; resolves when it is drawn. `how` says what came before: see session. */
export function look(how = "look") {
  looks = looks.then(() => isLive() && lookNow(how));
  return looks;
}

async function lookNow(how) {
  const { sid } = session.value.token.payload;
  const answer = await withToken("GET", "/playground/family", { quiet: true });
  if (!answer.ok || session.value.token?.payload.sid !== sid) return;
  const before = family.value?.sid === sid ? family.value : null;
  const now = { sid, beads: before?.beads ?? [], dead: null, ...answer.body };
  now.beads = tied(now, before, how);
  family.set(now);
  if (before && !now.revoked_at) remark(before, now, how);
}

function tied(now, before, how) {
  const beads = now.beads.slice();
  for (let generation = beads.length; generation <= now.generation; generation += 1) {
    const seen = generation === now.generation || before;
    beads.push({ generation, at: seen ? now.rotated_at : null, stays: 0 });
  }
  const newest = beads[now.generation];
  const stayed = before?.generation === now.generation && ["silent", "asked", "refused", "restore"].includes(how);
  if (stayed) beads[now.generation] = { ...newest, stays: newest.stays + 1 };
  return beads;
}

function remark(before, now, how) {
  if (how === "shared" || how === "look") return;
  if (now.generation > before.generation) {
    journal.remark(`Advance: generation ${before.generation} is spent, ${now.generation} is alive`, "good");
  } else {
    journal.remark(`Stay: rotated less than ${now.window} s ago, so the same refresh token serves`);
  }
}

function bury(reason) {
  if (family.value) family.set({ ...family.value, dead: reason });
}

/** What the server will do with this generation if it is shown now, by the rules of rotation. */
export function fateOf(generation, now = Date.now() / 1000) {
  const { generation: newest, window, rotated_at: rotatedAt } = family.value;
  if (generation === newest) return "living";
  if (generation < newest - 1) return "reuse";
  return now - rotatedAt <= window ? "repeat" : "odd";
}

/** Obtain an old token of this family, and show it as a thief would: without the cookie. */
export async function replay(generation) {
  const stolen = await withToken("POST", "/playground/stolen-token", { json: { generation }, as: "thief" });
  if (!stolen.ok) return { stolen, answer: null };
  const answer = await exchange("POST", "/auth/refresh", { as: "thief", json: { refresh_token: stolen.body.refresh_token } });
  if (answer.ok && isLive()) await look("look");
  return { stolen, answer };
}
