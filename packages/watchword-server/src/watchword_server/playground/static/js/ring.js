// The ring that empties as the access token grows old. Draws what it is told; keeps no time itself.

import { s } from "./dom.js";

const RADIUS = 46;
const ROUND = 2 * Math.PI * RADIUS;

/** Build the ring in `host`; returns draw({share, number, unit, label}), share being 0 to 1. */
export function ring(host) {
  const left = s("circle", { class: "left", cx: 52, cy: 52, r: RADIUS, transform: "rotate(-90 52 52)" });
  const number = s("text", { class: "number", x: 52, y: 57 });
  const unit = s("text", { class: "unit", x: 52, y: 74 });
  const svg = s("svg", { viewBox: "0 0 104 104", role: "img" }, s("circle", { class: "track", cx: 52, cy: 52, r: RADIUS }), left, number, unit);
  host.replaceChildren(svg);
  return (now) => {
    left.setAttribute("stroke-dasharray", `${(ROUND * now.share).toFixed(1)} ${ROUND}`);
    left.setAttribute("visibility", now.share > 0.004 ? "visible" : "hidden");
    if (number.textContent !== now.number) number.textContent = now.number;
    unit.textContent = now.unit;
    svg.setAttribute("aria-label", now.label);
  };
}
