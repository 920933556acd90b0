// The form: what to cut off, what would die, the question whether to, and the act.

import { announce, byId, h, onPress } from "./dom.js";
import { call, explanation } from "./session.js";
import { follow } from "./watching.js";

const STILL = 250;
const BROAD = new Set(["account", "client", "tenant", "everything"]);
const NAMES = {
  account: "Account id or email", session: "Session id (sid)", client: "Client id", tenant: "Tenant",
  token: "Token id (jti)", key: "Key id (kid)", everything: "",
};

let preview = null;
let asked = 0;
let timer = null;

export function startCut() {
  const form = byId("cut");
  form.addEventListener("input", () => later(form));
  form.elements.axis.addEventListener("change", () => {
    form.elements.value.value = "";
    shape(form);
    later(form);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    // What is confirmed is what was just counted, not what was counted a while ago.
    if ((await look(form)) && preview) confirm(form);
  });
  onPress(byId("confirm-yes"), () => act(form));
  byId("confirm-no").addEventListener("click", () => byId("confirm").close());
  shape(form);
}

function shape(form) {
  const axis = form.elements.axis.value;
  byId("value-label").hidden = axis === "everything";
  byId("value-name").textContent = NAMES[axis];
  byId("sessions-label").hidden = !BROAD.has(axis);
}

function later(form) {
  clearTimeout(timer);
  preview = null;
  form.querySelector("[type=submit]").disabled = true;
  timer = setTimeout(() => look(form), STILL);
}

/** Count what would die. Returns whether this was still the newest question when it was answered. */
async function look(form) {
  const mine = ++asked;
  const axis = form.elements.axis.value;
  const typed = axis === "everything" ? "" : form.elements.value.value.trim();
  if (axis !== "everything" && !typed) return show(null, "none", "Name what to cut off, and see here what would die.");
  const value = axis === "account" && typed.includes("@") ? await accountOf(typed) : typed;
  if (mine !== asked) return false;
  if (value === null) return show(null, "bad", `There is no account with the address ${typed}.`);
  const ends_sessions = form.elements.ends_sessions.checked;
  const answer = await call("POST", "/cut-offs/preview", { axis, value, ends_sessions });
  if (mine !== asked) return false;
  if (!answer.ok) return show(null, "bad", explanation(answer));
  return show(answer.body, "warn", details(answer.body, typed));
}

async function accountOf(email) {
  const answer = await call("GET", `/accounts?limit=200&search=${encodeURIComponent(email)}`);
  const found = (answer.body?.accounts ?? []).find((account) => account.email.toLowerCase() === email.toLowerCase());
  return found?.id ?? null;
}

function details(body, typed) {
  const said = [];
  if (body.value && body.value !== typed) said.push(`${typed} is account ${body.value}.`);
  if (body.axis === "account" && body.known === false) said.push("No account on record has this id.");
  if (body.at_least) said.push("There are more sessions than were counted.");
  if (body.standing !== null) said.push(`Cut off already at position ${body.standing}.`);
  if (body.includes_you) said.push("Your own login is among it.");
  return said.join(" ");
}

function show(found, tone, text) {
  const nothing = found?.known === false && (found.axis === "session" || found.axis === "key");
  preview = nothing ? null : found;
  const box = byId("preview");
  box.dataset.tone = tone;
  box.replaceChildren(...(found ? [h("strong", {}, found.summary)] : []), text);
  byId("cut").querySelector("[type=submit]").disabled = preview === null;
  return true;
}

function confirm(form) {
  byId("confirm-what").textContent = preview.axis === "everything" ? "Everything" : `${NAMES[preview.axis]}: ${form.elements.value.value.trim()}`;
  byId("confirm-dies").textContent = `Dies: ${preview.summary}.`;
  byId("confirm-you").hidden = !preview.includes_you;
  byId("confirm").showModal();
  byId("confirm-no").focus();
}

async function act(form) {
  const { axis, value } = preview;
  const line = form.querySelector(".error");
  const cause = form.elements.cause.value.trim() || "administrator";
  const answer = await call("POST", "/cut-offs", { axis, value, cause, ends_sessions: form.elements.ends_sessions.checked });
  byId("confirm").close();
  line.hidden = answer.ok;
  line.textContent = answer.ok ? "" : explanation(answer);
  if (!answer.ok) return;
  announce(`Cut off at position ${answer.body.position}.`);
  form.elements.value.value = "";
  look(form);
  follow(answer.body.position);
}
