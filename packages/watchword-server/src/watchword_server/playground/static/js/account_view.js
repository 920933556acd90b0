// The account card: forms while logged out, who is logged in otherwise, and the banner of an ended session.

import { announce, byId, h, onPress } from "./dom.js";
import { explanation } from "./exchange.js";
import { login, logout, noticesRead, register, session } from "./session.js";
import { openTabs } from "./tabs.js";
import { noticeText, noticeTitle, reasonText } from "./words.js";

export function startAccount() {
  session.watch(show);
  openTabs.watch((count) => {
    byId("tabs-fact").textContent = count > 1 ? `${count} tabs open, one refreshes for all` : "";
  });
  startTabs();
  onSubmit(byId("login"), ({ identifier, password }) => login(identifier, password));
  onSubmit(byId("register"), async ({ email, username, password }) => {
    const answer = await register({ email, password, ...(username ? { username } : {}) });
    return answer.ok ? login(email, password) : answer;
  });
  onPress(byId("logout"), () => logout());
  onPress(byId("logout-all"), () => logout({ everywhere: true }));
  byId("use-admin").addEventListener("click", () => {
    byId("login").elements.identifier.value = "admin@localhost";
    byId("login").elements.password.focus();
  });
}

function show(now, before) {
  const live = now.status === "live";
  document.body.dataset.session = now.status;
  byId("signed-in").hidden = !live;
  byId("signed-out").hidden = live;
  if (live) {
    byId("who-email").textContent = now.account?.email ?? "…";
    byId("monogram").textContent = (now.account?.email ?? "·")[0].toUpperCase();
    byId("who-roles").replaceChildren(...(now.account?.roles ?? []).map((role) => h("span", {}, role)));
  }
  const over = byId("ended");
  over.hidden = now.status !== "ended";
  if (now.status === "ended") over.replaceChildren(h("strong", {}, "This session is over."), reasonText(now.reason));
  showNotices(live ? (now.notices ?? []) : []);
  if (now.status === before.status) return;
  if (live) announce("Logged in.");
  if (now.status === "ended") announce(`Session over. ${reasonText(now.reason)}`);
  // The control that was pressed may be gone now; the keyboard must not be left in nowhere.
  if (document.activeElement === document.body || document.activeElement?.closest("[hidden]")) byId("account").focus({ preventScroll: true });
}

function showNotices(notices) {
  byId("notices").hidden = notices.length === 0;
  byId("notices").replaceChildren(...notices.slice(0, 3).map((notice) => {
    const seen = h("button", { type: "button", class: "link" }, "Got it");
    onPress(seen, () => noticesRead(notice.id));
    return h("div", { class: "banner", role: "note" }, h("strong", {}, noticeTitle(notice.kind)), `${noticeText(notice)} `, seen);
  }));
}

function startTabs() {
  const tabs = [byId("tab-login"), byId("tab-register")];
  const choose = (tab) => tabs.forEach((other) => {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = other !== tab;
  });
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      const other = tabs[1 - index];
      choose(other);
      other.focus();
    });
  }
}

function onSubmit(form, send) {
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    const answer = await send(Object.fromEntries(new FormData(form)));
    button.disabled = false;
    if (answer.ok) form.reset();
    showErrors(form, answer);
  });
}

/** One line an error; the fields that are named are marked, and the first of them gets the focus. */
function showErrors(form, answer) {
  const errors = answer.ok ? [] : (answer.body?.errors ?? []);
  const named = errors.map((error) => String(error.field));
  const line = form.querySelector(".error");
  line.hidden = answer.ok;
  line.textContent = answer.ok ? "" : errors.map(sentence).join("\n") || explanation(answer);
  let first = null;
  for (const input of form.querySelectorAll("input")) {
    const wrong = named.includes(input.name);
    if (wrong) first ??= input;
    input.toggleAttribute("aria-invalid", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
  }
  first?.focus();
}

/** "Password must have at least 8 characters." */
function sentence({ field, detail }) {
  const text = `${field} ${detail}`.trim();
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
