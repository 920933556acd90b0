// A second device of the same account: a login as a native application makes it, its tokens in the body, no cookies.

import { Cell } from "./cell.js";
import { byId, result } from "./dom.js";
import { exchange, explanation } from "./exchange.js";
import { readUnverified } from "./jwt.js";
import { session } from "./session.js";
import { knownCredentials } from "./throwaway.js";

/** Devices logged in from here: Map of sid to {raw}, their access tokens. */
export const devices = new Cell(new Map());

/** Log one in, asking for the password where this page does not know it. `then` runs after a success. */
export function startSecondDevice(then) {
  const form = byId("device-password");
  byId("second-device").addEventListener("click", () => {
    const known = knownCredentials();
    if (known) return logIn(known.password, then);
    form.hidden = !form.hidden;
    if (!form.hidden) form.elements.password.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await logIn(form.elements.password.value, then)) form.hidden = true;
    form.reset();
  });
  session.watch(({ status }) => {
    byId("second-device").disabled = status !== "live";
    if (status !== "live") form.hidden = true;
  });
}

async function logIn(password, then) {
  const json = { identifier: session.value.account.email, password, delivery: "body" };
  const answer = await exchange("POST", "/auth/login", { as: "second device", json });
  if (!answer.ok) {
    result(byId("session-result"), explanation(answer), "bad");
    return false;
  }
  const raw = answer.body.access_token;
  const sid = readUnverified(raw)?.payload.sid;
  devices.set(new Map(devices.value).set(sid, { raw }));
  result(byId("session-result"), "Logged in on a second device. End it here, and watch the API refuse its token.");
  await then();
  return true;
}
