// All tabs of this page as one client: one token for all (BroadcastChannel), and how many there are (Web Locks).
// The token goes from memory to memory; nothing is stored.

import { Cell } from "./cell.js";

const CHANNEL = "watchword-playground";
const OPEN = "watchword-playground-tab";
const ANSWER_WITHIN = 150;

const channel = new BroadcastChannel(CHANNEL);

/** How many tabs of this page are open, this one included. */
export const openTabs = new Cell(1);

/** Tell the other tabs. Messages: {type: "token" | "ended" | "ask", ...}. */
export function tell(message) {
  channel.postMessage(message);
}

/** Be told by the other tabs. */
export function hear(listener) {
  channel.addEventListener("message", ({ data }) => listener(data));
}

/** Ask the other tabs for the token they hold; resolves with the first answer, or null when none comes soon. */
export function askForToken() {
  return new Promise((resolve) => {
    const done = (value) => {
      channel.removeEventListener("message", listen);
      clearTimeout(timer);
      resolve(value);
    };
    const listen = ({ data }) => data.type === "token" && done(data);
    const timer = setTimeout(() => done(null), ANSWER_WITHIN);
    channel.addEventListener("message", listen);
    tell({ type: "ask" });
  });
}

/** Be counted: hold a shared lock as long as the tab lives, and count the holders whenever one comes or goes. */
export function beCounted() {
  if (!navigator.locks) return;
  const count = async () => {
    const { held } = await navigator.locks.query();
    openTabs.set(Math.max(1, held.filter((lock) => lock.name === OPEN).length));
  };
  navigator.locks.request(OPEN, { mode: "shared" }, () => {
    tell({ type: "here" });
    count();
    return new Promise(() => {});
  });
  hear((message) => message.type === "here" && count());
  hear((message) => message.type === "gone" && setTimeout(count, 200));
  addEventListener("pagehide", () => tell({ type: "gone" }));
}
