// One row of the sequence diagram, drawn at the origin: an exchange or a remark. Knows geometry, not the journal.

import { s } from "./dom.js";
import { tone } from "./calls_view.js";

export const EXCHANGE_HEIGHT = 62;
const LINE = 17;
const CHARACTER = 6.7;

/** Where the three lanes stand in a drawing of that width. */
export function lanesAt(width) {
  const narrow = width < 480;
  return { browser: narrow ? 26 : 32, server: Math.round(width * (narrow ? 0.5 : 0.53)), api: width - (narrow ? 46 : 56) };
}

/** Fill `group` with the exchange. */
export function drawExchange(group, entry, width) {
  const lanes = lanesAt(width);
  const [from, to] = [lanes.browser, lanes[entry.to]];
  const answered = entry.status !== null;
  group.dataset.to = entry.to;
  group.dataset.tone = answered ? tone(entry.status) : "";
  group.classList.toggle("quiet", entry.quiet);
  group.classList.toggle("thief", entry.as === "thief");
  group.replaceChildren(
    s("rect", { class: "ground", x: 1, y: 1, width: Math.max(0, width - 2), height: EXCHANGE_HEIGHT - 2 }),
    s("rect", { class: "busy", x: to - 3.5, y: 22, width: 7, height: answered ? 28 : 24, rx: 3.5 }),
    ...arrow(from, to - 5, 24, "ask"),
    ...(answered ? arrow(to - 5, from, 48, "reply") : [s("line", { class: "pending", x1: from, x2: to - 5, y1: 48, y2: 48 })]),
    s("text", { x: from + 11, y: 16 }, ...request(entry, width)),
    answered ? s("text", { x: from + 17, y: 41 }, ...reply(entry)) : s("text", { x: from + 17, y: 41 }, s("tspan", { class: "label-soft" }, "…")),
  );
}

function arrow(from, to, y, name) {
  const back = from < to ? -8 : 8;
  return [
    s("line", { class: name, x1: from, x2: to + back / 2, y1: y, y2: y }),
    s("path", { class: `head ${name}-head`, d: `M${to} ${y}l${back} -4.2v8.4z` }),
  ];
}

function request({ method, path, as, to }, width) {
  const speaker = as ? [s("tspan", { class: as === "thief" ? "label-as" : "label-as device" }, `${as} `)] : [];
  const room = Math.floor((width - 70) / CHARACTER) - method.length - (as?.length ?? 0) - (to === "api" ? 1 : 0);
  const shown = path.length > room ? `${path.slice(0, Math.max(6, room - 1))}…` : path;
  return [...speaker, s("tspan", { class: "label-method" }, method), s("tspan", {}, ` ${shown}`)];
}

function reply({ status, ms, count, responseBody, responseHeaders }) {
  const challenge = responseHeaders.find(([name]) => name === "www-authenticate")?.[1].match(/error="([^"]*)"/)?.[1];
  const why = status >= 400 ? (responseBody?.reason ?? challenge ?? responseBody?.code ?? "") : "";
  return [
    s("tspan", { class: "label-status" }, status === 0 ? "no answer" : String(status)),
    s("tspan", { class: "label-soft" }, ` ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`),
    why && status ? s("tspan", { class: "label-soft" }, ` ${why}`) : "",
    count > 1 ? s("tspan", { class: "label-soft" }, ` ×${count}`) : "",
  ].filter(Boolean);
}

/** The words of an exchange, for screen readers. */
export function spoken({ method, path, to, as, status, ms, count }) {
  const speaker = as ? `${as}: ` : "";
  const answer = status === null ? "waiting" : status === 0 ? "no answer" : `answered ${status} in ${Math.round(ms)} milliseconds`;
  return `${speaker}${method} ${path} to the ${to === "api" ? "demonstration API" : "authorization server"}, ${answer}${count > 1 ? `, ${count} times` : ""}`;
}

/** Fill `group` with a remark broken into lines; returns the height it takes. */
export function drawRemark(group, entry, width) {
  const lines = broken(entry.text, Math.floor((width - 40) / 6.2));
  const height = lines.length * LINE + 12;
  const wide = Math.min(width - 8, Math.max(...lines.map((line) => line.length)) * 6.2 + 28);
  group.dataset.tone = entry.tone;
  group.replaceChildren(
    s("rect", { x: (width - wide) / 2, y: 5, width: wide, height }),
    s("text", {}, lines.map((line, index) => s("tspan", { x: width / 2, y: 22 + index * LINE }, line))),
  );
  return height + 12;
}

function broken(text, room) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last && last.length + word.length + 1 > room) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}
