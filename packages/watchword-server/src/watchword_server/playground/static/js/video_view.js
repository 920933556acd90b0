// A film by signed URL: asked for with the token, then fetched without one, segment by segment, until it is refused.

import { tone } from "./calls_view.js";
import { announce, byId, h, onPress, result } from "./dom.js";
import { apiOrigin, exchange, explanation } from "./exchange.js";
import { play, readPlaylist } from "./player.js";
import { isLive, session, withToken } from "./session.js";

const TYPE = 'video/mp4; codecs="vp09.00.10.08"';

export function startVideo() {
  const button = byId("watch");
  session.watch(() => { button.disabled = !isLive(); });
  onPress(button, watchFilm);
}

async function watchFilm() {
  const line = byId("video-result");
  byId("segments").replaceChildren();
  result(line, "");
  if (!("MediaSource" in window) || !MediaSource.isTypeSupported(TYPE)) return result(line, "This browser cannot play the film.", "bad");
  const link = await withToken("GET", "/api/videos/1?stream=true", { to: "api" });
  if (!link.ok) return result(line, explanation(link), "bad");
  const playlist = await get(new URL(link.body.url));
  if (!playlist.ok) return result(line, explanation(playlist), "bad");
  const parts = readPlaylist(playlist.body, link.body.url);
  const refused = await play(byId("screen"), parts, { type: TYPE, get, told, stopped: () => false });
  if (refused) {
    byId("screen").pause();
    result(line, `The next segment was refused: ${refused.status || "no answer"}, ${explanation(refused)}.`, "bad");
    announce("The next segment was refused.");
  } else {
    result(line, "Every segment was let through.", "good");
  }
}

/** Without a token: the link is the credential. */
function get(url, options = {}) {
  if (url.origin !== apiOrigin) return { ok: false, status: 0, body: { detail: "the link leads elsewhere" } };
  return exchange("GET", url.pathname + url.search, { to: "api", ...options });
}

function told({ number, status }) {
  byId("segments").append(h("li", {}, h("span", { class: "pill", "data-tone": tone(status), "data-segment": number }, `${number + 1} · ${status || "none"}`)));
}
