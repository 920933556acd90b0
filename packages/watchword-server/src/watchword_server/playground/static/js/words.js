// How times, devices and reasons are said to people. Pure functions.

/** Milliseconds since the epoch from an ISO text, seconds or milliseconds; NaN for anything else. */
export function instant(value) {
  if (typeof value === "number") return value < 1e11 ? value * 1000 : value;
  return Date.parse(value);
}

/** "14:02:31". */
export function clock(value) {
  return new Date(instant(value)).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** "12 s", "3 min", "5 h", "7 d", always rounded down, never negative. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function ago(value) {
  const passed = Date.now() - instant(value);
  return passed < 3000 ? "just now" : `${span(passed)} ago`;
}

const REASONS = {
  reuse: "A refresh token was used twice. That is what theft looks like, so the family and its session were ended, access tokens included.",
  revoked: "The session was ended elsewhere: by another device, an administrator or a change of password.",
  ended: "The session was ended elsewhere: by another device, an administrator or a change of password.",
  idle: "The session was not used for too long.",
  expired: "The session came to its absolute end.",
  "logged out": "You logged out here.",
  "logged out everywhere": "You logged out on every device.",
  "ended here": "You ended this very session from the list.",
};

/** Why a session is over, as a sentence. Unknown reasons are shown as they are. */
export function reasonText(reason) {
  return REASONS[reason] ?? `The server says: ${reason}.`;
}

const NOTICES = {
  reuse: "A refresh token of yours was replayed",
  odd: "A refresh token of yours was repeated in an odd way",
};

/** The headline of a notice. */
export function noticeTitle(kind) {
  const known = Object.keys(NOTICES).find((key) => kind.includes(key));
  return known ? NOTICES[known] : kind.replaceAll(/[._]/g, " ");
}
