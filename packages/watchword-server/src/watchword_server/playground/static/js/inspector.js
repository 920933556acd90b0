// The inspector: headers and bodies of one exchange, secrets already shortened by the journal.

import { Cell } from "./cell.js";
import { byId, h } from "./dom.js";
import { apiOrigin, serverOrigin } from "./exchange.js";

/** The exchange on show; null for none. */
export const inspected = new Cell(null);

let opener = null;

/** Show that exchange; pressing the same one again closes it. */
export function inspect(entry, from, { again = false } = {}) {
  if (inspected.value === entry && !again) return closeInspector();
  opener = from;
  inspected.set(entry);
  const panel = byId("inspector");
  panel.replaceChildren(heading(entry), ...asked(entry), ...answered(entry));
  panel.hidden = false;
  if (!again) {
    panel.scrollTop = 0;
    panel.scrollIntoView({ block: "nearest" });
    from.scrollIntoView({ block: "nearest" });
  }
}

export function closeInspector() {
  inspected.set(null);
  byId("inspector").hidden = true;
  if (opener?.isConnected) opener.focus();
}

export function startInspector() {
  document.querySelector(".diagram").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && inspected.value) closeInspector();
  });
}

function heading({ method, path, as }) {
  return h("div", { class: "head" },
    h("h3", {}, `${as ? `${as}: ` : ""}${method} ${path}`),
    h("button", { type: "button", class: "quiet", onclick: closeInspector }, "Close"));
}

function asked({ method, path, to, requestHeaders, requestBody, cookie }) {
  const lines = [`${method} ${path}`, `host: ${new URL(to === "api" ? apiOrigin : serverOrigin).host}`, ...requestHeaders.map(join)];
  return [
    h("h4", {}, "Asked"),
    block(lines.join("\n") + bodyText(requestBody)),
    cookie ? aside("The browser adds the refresh cookie by itself, if it has one. It is HttpOnly: this page cannot read it.") : null,
  ].filter(Boolean);
}

function answered({ status, ms, responseHeaders, responseBody, error, cookie, to, count }) {
  if (status === null) return [h("h4", {}, "Waiting for the answer …")];
  if (status === 0) return [h("h4", {}, "No answer"), block(error ?? ""), aside("The server is not running, or did not allow this page by CORS.")];
  return [
    h("h4", {}, `Answered ${status} in ${ms.toFixed(1)} ms${count > 1 ? `, the last of ${count}` : ""}`),
    block(responseHeaders.map(join).join("\n") + bodyText(responseBody)),
    cookie ? aside("Set-Cookie, if any, is hidden from scripts.") : null,
    to === "api" ? aside("Across origins, the browser shows a script only the headers that the API exposes.") : null,
  ].filter(Boolean);
}

function join([name, value]) {
  return `${name}: ${value}`;
}

function bodyText(body) {
  return body === null ? "" : `\n\n${typeof body === "string" ? body : JSON.stringify(body, null, 2)}`;
}

function block(text) {
  return h("pre", { tabindex: 0 }, text.trim());
}

function aside(text) {
  return h("p", { class: "aside" }, text);
}
