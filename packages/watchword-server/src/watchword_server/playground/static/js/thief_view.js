// The thief: replays an old refresh token of this very family by a real refresh, and shows what he gets.

import { byId, onPress, result } from "./dom.js";
import { explanation } from "./exchange.js";
import { family, fateOf, look, replay } from "./family.js";
import { chosen } from "./family_view.js";
import { journal } from "./journal.js";
import { obituary, untilRefused } from "./obituary.js";
import { ended, isLive, learnWho, refresh, session } from "./session.js";

const INTRO = "A thief copies a refresh token and shows it later. Once you are logged in, choose a generation on the thread and replay it.";
const FATES = {
  living: "Generation N is the living token. Shown from your own browser, the server cannot tell the thief from you; so it takes it, and notices when you both go on.",
  repeat: "Generation N is one behind, moments after the rotation: an honest client whose answer got lost does the same. It is answered again.",
  odd: "Generation N is one behind and late: odd, but a phone that slept does it too. It is answered with a signal; too many of them end the family.",
  reuse: "Generation N is two or more behind. No honest client ever sends this, whatever got lost, so it is proof of theft: the family dies.",
};
let ageing = false;

export function startThief() {
  family.watch(show);
  chosen.watch(show);
  session.watch((now, before) => {
    if (now.status === "live" && before.status !== "live") result(byId("thief-result"), "");
    show();
  });
  setInterval(show, 1000);
  onPress(byId("replay"), () => play(target()));
  byId("age").addEventListener("click", () => {
    ageing = !ageing;
    show();
    if (ageing) age();
  });
}

/** What would be replayed: the chosen generation, or the first as soon as a replay of it is proof of theft. */
function target() {
  const now = family.value;
  if (!now || !isLive()) return null;
  return chosen.value ?? (now.generation >= 2 ? 0 : null);
}

function show() {
  const now = family.value;
  const live = now !== null && isLive() && !now.dead;
  const generation = target();
  const button = byId("replay");
  button.hidden = Boolean(now?.dead);
  button.disabled = generation === null;
  button.textContent = generation === null ? "Replay" : `Replay generation ${generation}`;
  const ripe = live && now.generation >= 2;
  byId("age").hidden = ripe || Boolean(now?.dead);
  byId("age").disabled = !live;
  byId("age").textContent = ageing ? `Stop · ${remaining()} s` : "Age it to generation 2";
  byId("age").setAttribute("aria-pressed", String(ageing));
  const text = generation !== null ? FATES[fateOf(generation)].replace("N", generation)
    : now?.dead ? "The family is dead. Log in again to begin another."
    : live ? `Choose a generation on the thread. A replay is proof once the token is two behind; the family is at generation ${now.generation}.` : INTRO;
  if (byId("thief-text").textContent !== text) byId("thief-text").textContent = text;
}

function remaining() {
  const { rotated_at: rotatedAt, window } = family.value;
  return Math.max(0, Math.ceil(rotatedAt + window - Date.now() / 1000));
}

/** Refresh as soon as each window is over, until a replay of generation 0 is proof. */
async function age() {
  while (ageing && isLive() && family.value && family.value.generation < 2) {
    if (remaining() > 0) await new Promise((resolve) => setTimeout(resolve, 250));
    else if (await refresh("asked")) await look();
    else break;
  }
  ageing = false;
  show();
}

async function play(generation) {
  if (generation === null) return;
  const line = byId("thief-result");
  result(line, "");
  const { answer } = await replay(generation);
  if (answer === null) return result(line, "There was nothing to steal: the server does not give that token.");
  if (answer.ok) {
    journal.remark(`Generation ${generation} was answered: the thief holds an access token`, "warn");
    result(line, `Answered with ${answer.status}. The thief got an access token; the signal is counted, and see your notices.`);
    return learnWho();
  }
  if (answer.body?.reason !== "reuse") return result(line, explanation(answer));
  await fall(line);
}

/** The family is dead: say so, and ask the API how long the access token outlives it. */
async function fall(line) {
  const { raw } = session.value.token;
  journal.remark("Reuse: the family and its session are cut off", "bad");
  ended("reuse");
  result(line, "Refused: reuse. The family is dead, for the thief and for you.", "bad");
  const text = obituary(await untilRefused(raw));
  journal.remark(text, "bad");
  result(line, `Refused: reuse. The family is dead, for the thief and for you. ${text}`, "bad");
}
