// Making elements. No markup is ever parsed from strings: text stays text, whatever a server answers.

const SVG = "http://www.w3.org/2000/svg";

/** The element with that id. A missing one is a mistake in the page, so it throws. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found;
}

/** An HTML element: h("p", {class: "x", onclick}, "text", child). A null child or property is left out. */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** An SVG element. */
export function s(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Say something to screen readers, politely. */
export function announce(text) {
  byId("live").textContent = text;
}

/** Run an action from a button: busy while it runs, and never twice at once. */
export function onPress(button, action) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await action();
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

/** Show a small result line; tone is "good", "bad" or nothing. */
export function result(element, text, tone = "") {
  element.dataset.tone = tone;
  element.textContent = text;
}
