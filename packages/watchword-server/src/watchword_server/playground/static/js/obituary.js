// How long a dead token is still taken: asks the API again and again until it refuses.

import { exchange } from "./exchange.js";

const PATIENCE = 10_000;
const PAUSE = 40;

/**
 * Ask the API with this token until it answers 401.
 *
 * Returns {ms, asked}: milliseconds from this call to the refusal, and how often it was asked; null when the API still
 * accepts it after ten seconds, or does not answer.
 */
export async function untilRefused(raw, as) {
  const started = performance.now();
  for (let asked = 1; performance.now() - started < PATIENCE; asked += 1) {
    const answer = await exchange("GET", "/api/profile", { to: "api", token: raw, as, folds: `obituary ${as}` });
    if (answer.status === 401) return { ms: Math.round(performance.now() - started), asked };
    if (answer.status === 0) return null;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return null;
}

/** The obituary in a sentence. */
export function obituary(found, whose = "the dead access token") {
  if (!found) return `The API did not refuse ${whose} within ten seconds, or is not running.`;
  return `The API refused ${whose} ${found.ms} ms later, at its ${ordinal(found.asked)} question.`;
}

function ordinal(n) {
  return n === 1 ? "first" : n === 2 ? "second" : n === 3 ? "third" : `${n}th`;
}
