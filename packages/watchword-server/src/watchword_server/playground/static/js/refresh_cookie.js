// What pages of this origin can know of the refresh cookie, which no script reads: whether there may be one, and whose
// turn it is to use it. Shared by the playground and the administrators' pages. Asks nobody.

const HINT = "watchword.had-session";
const REFRESHING = "watchword-playground-refresh";

let inThisTab = Promise.resolve();

/** Run `work` while no other tab runs any. Without Web Locks (an insecure context), alone within this tab. */
export function alone(work) {
  if (navigator.locks) return navigator.locks.request(REFRESHING, work);
  inThisTab = inThisTab.then(work, work);
  return inThisTab;
}

/** Only a hint that a cookie may exist: without one, a first visit would begin with a refused request. */
export function hint() {
  try {
    return localStorage.getItem(HINT) === "yes";
  } catch {
    return false;
  }
}

export function keepHint(yes) {
  try {
    if (yes) localStorage.setItem(HINT, "yes");
    else localStorage.removeItem(HINT);
  } catch {
    // No storage: a reload will then ask for a new login.
  }
}
