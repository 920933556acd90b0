// The theme button: system, light, dark. The first paint is done by first_paint.js.

import { byId } from "./dom.js";

const KEY = "watchword.theme";
const NAMES = { system: "System", light: "Light", dark: "Dark" };
const NEXT = { system: "light", light: "dark", dark: "system" };

export function startTheme() {
  const button = byId("theme");
  const show = () => {
    byId("theme-name").textContent = NAMES[chosen()];
    button.setAttribute("aria-label", `Theme: ${NAMES[chosen()].toLowerCase()}. Press for ${NAMES[NEXT[chosen()]].toLowerCase()}.`);
  };
  button.addEventListener("click", () => {
    choose(NEXT[chosen()]);
    show();
  });
  show();
}

function chosen() {
  return document.documentElement.dataset.theme ?? "system";
}

function choose(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // No storage: the choice lasts as long as the page.
  }
}
