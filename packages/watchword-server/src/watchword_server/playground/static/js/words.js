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

/** "12 s", "3 min", "5 h", "7 d" with a space that does not break, never negative. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 90) return `${seconds}\u00a0s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)}\u00a0min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}\u00a0h`;
  return `${Math.round(seconds / 86_400)}\u00a0d`;
}

export function ago(value) {
  const passed = Date.now() - instant(value);
  return passed < 3000 ? "just now" : `${span(passed)} ago`;
}

const ELSEWHERE = "The session was ended elsewhere: from another device, by an administrator or by a change of password.";
const REASONS = {
  reuse: "A refresh token was used twice. That is what theft looks like, so the family and its session were ended, access tokens included.",
  restored: "The refresh token is newer than the server's records: its database was restored from a backup.",
  revoked: ELSEWHERE,
  session_ended: ELSEWHERE,
  cut_off: ELSEWHERE,
  account_disabled: "The account was disabled.",
  idle: "The session was not used for too long.",
  expired: "The session came to its absolute end.",
  missing: "This browser holds no refresh cookie any more.",
  unknown: "The server does not know this session. Was its state deleted?",
  malformed: "The refresh cookie is not one of this server's.",
  "logged out": "You logged out here.",
  "logged out everywhere": "You logged out on every device.",
  "ended here": "You ended this very session from the list.",
};

/** Why a session is over, as a sentence. Unknown reasons are shown as they are. */
export function reasonText(reason) {
  return REASONS[reason] ?? `The server says: ${reason}.`;
}

const NOTICES = {
  "refresh.reused": "A refresh token of yours was replayed, and its session ended",
  "refresh.repeated": "A refresh token of yours was repeated in an odd way",
  "refresh.restored": "A session of yours was newer than the server's records, and ended",
};

/** The headline of a notice. */
export function noticeTitle(kind) {
  return NOTICES[kind] ?? kind.replaceAll(/[._]/g, " ");
}

/** When and by whom, in one line. */
export function noticeText({ at, detail = {} }) {
  const { rotated_by: owner, presented_by: other, place, ...rest } = detail;
  return [
    `At ${clock(at)}`,
    other && `shown by ${other}${place ? ` from ${place}` : ""}`,
    owner && `last rotated by ${owner}`,
    ...Object.entries(rest).map(([key, value]) => `${key.replaceAll("_", " ")}: ${value}`),
  ].filter(Boolean).join(" · ");
}
