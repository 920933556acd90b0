// The list of sessions: one login on one device each, and each can be ended.

import { byId, h, onPress, result } from "./dom.js";
import { exchange, explanation } from "./exchange.js";
import { journal } from "./journal.js";
import { obituary, untilRefused } from "./obituary.js";
import { devices, startSecondDevice } from "./second_device.js";
import { ended, isLive, session, withToken } from "./session.js";
import { ago } from "./words.js";

let listed = [];

export function startSessions() {
  startSecondDevice(() => load());
  onPress(byId("reload-sessions"), () => load());
  let known = null;
  session.watch((now, before) => {
    byId("reload-sessions").disabled = now.status !== "live";
    if (now.status !== "live" && before.status === "live") show([]);
    const sid = now.status === "live" ? now.token.payload.sid : null;
    // The account is learnt just after the token; by then the first calls of a login are done.
    if (sid && sid !== known && now.account) {
      known = sid;
      load({ quiet: true });
    } else if (!sid) known = null;
  });
  devices.watch(() => show(listed));
}

async function load({ quiet = false } = {}) {
  const answer = await withToken("GET", "/auth/sessions", { quiet });
  if (answer.ok) show(answer.body.sessions);
  else if (isLive()) result(byId("session-result"), explanation(answer), "bad");
}

function show(sessions) {
  listed = sessions;
  byId("sessions-empty").hidden = sessions.length > 0;
  byId("session-list").replaceChildren(...sessions.map(row));
}

function row(one) {
  const device = devices.value.get(one.sid);
  const end = h("button", { type: "button", "aria-label": `End the session on ${one.device}${one.current ? ", this one" : ""}` }, "End");
  onPress(end, () => finish(one, device));
  const use = device && h("button", { type: "button", class: "quiet" }, "Call with its token");
  if (use) onPress(use, () => exchange("GET", "/api/profile", { to: "api", token: device.raw, as: "second device" }));
  return h("li", { "data-sid": one.sid },
    h("div", { class: "what" },
      h("p", {}, h("strong", {}, one.device || "Unknown device"),
        one.current ? h("span", { class: "tag" }, "this tab") : device ? h("span", { class: "tag device" }, "second device") : null),
      h("p", {}, [one.place, `since ${ago(one.created_at)}`, `last used ${ago(one.last_used_at)}`].filter(Boolean).join(" · "))),
    use, end);
}

async function finish(one, device) {
  const line = byId("session-result");
  const raw = one.current ? session.value.token.raw : device?.raw;
  const answer = await withToken("DELETE", `/auth/sessions/${encodeURIComponent(one.sid)}`);
  if (!answer.ok) return result(line, explanation(answer), "bad");
  // The clock runs from the answer on: first ask the API, then tidy up.
  const asking = raw && untilRefused(raw, one.current ? undefined : "second device");
  if (one.current) ended("ended here");
  else await load({ quiet: true });
  if (!raw) return result(line, "Ended. Its tokens are dead wherever they are.");
  const found = await asking;
  const text = obituary(found, one.current ? "your access token" : "the second device's access token");
  journal.remark(text, found ? "good" : "warn");
  result(line, `Ended. ${text}`, found ? "good" : "bad");
}
