// The login of administrators, who is logged in, and why not.

import { announce, byId, onPress } from "./dom.js";
import { login, logout, session } from "./session.js";

export function startLogin() {
  session.watch(show);
  onPress(byId("logout"), logout);
  const form = byId("login");
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    const { identifier, password } = Object.fromEntries(new FormData(form));
    const refusal = await login(identifier, password);
    button.disabled = false;
    const line = form.querySelector(".error");
    line.hidden = !refusal;
    line.textContent = refusal ?? "";
    if (refusal) form.elements.password.select();
    else form.reset();
  });
}

function show(now, before) {
  const live = now.status === "live";
  document.body.dataset.session = now.status;
  byId("signed-out").hidden = live;
  byId("signed-in").hidden = !live;
  byId("who").hidden = !live;
  byId("who-email").textContent = live ? now.email : "";
  byId("over").hidden = live || !now.why;
  byId("over").textContent = live ? "" : now.why;
  if (now.status === before.status) return;
  announce(live ? "Logged in." : now.why || "Logged out.");
  byId("confirm").close();
  // The control that was pressed is gone; the keyboard must not be left in nowhere.
  if (live) byId("cut").elements.axis.focus({ preventScroll: true });
  else byId("login").elements.identifier.focus({ preventScroll: true });
}
