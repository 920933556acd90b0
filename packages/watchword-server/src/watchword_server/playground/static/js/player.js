// Plays an HLS playlist of fragmented MP4 by Media Source Extensions, a segment at a time and never far ahead.
// Fetches nothing itself: `get(url, {bytes})` does, and answers as `exchange`. Knows no credential.

const AHEAD = 2.5; // seconds kept in the buffer: so little that what is refused is seen at once
const LOOK = 200; // milliseconds between looks at the buffer

/** The playlist's parts (RFC 8216 §4): where the beginning is, and the segments with their seconds. */
export function readPlaylist(text, base) {
  const segments = [];
  let begin = null, seconds = 0;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) begin = new URL(/URI="([^"]+)"/.exec(line)[1], base);
    else if (line.startsWith("#EXTINF:")) seconds = Number.parseFloat(line.slice(8));
    else if (line && !line.startsWith("#")) segments.push({ url: new URL(line, base), seconds });
  }
  return { begin, segments };
}

/**
 * Play until the end, or until something is refused, or `stopped()` says so.
 * `told({number, of, status})` is called after each segment. Returns the answer that was refused, or null.
 */
export async function play(video, { begin, segments }, { type, get, told, stopped }) {
  const source = new MediaSource();
  const address = URL.createObjectURL(source);
  video.src = address;
  try {
    await once(source, "sourceopen");
    const buffer = source.addSourceBuffer(type);
    const head = await get(begin, { bytes: true });
    if (!head.ok) return head;
    await append(buffer, head.body);
    let end = 0;
    for (const [number, segment] of segments.entries()) {
      while (end - video.currentTime > AHEAD) {
        if (stopped()) return null;
        await pause(LOOK);
      }
      const answer = await get(segment.url, { bytes: true });
      told({ number, of: segments.length, status: answer.status });
      if (!answer.ok) return answer;
      await append(buffer, answer.body);
      end += segment.seconds;
      if (number === 0) video.play().catch(() => {});
    }
    if (source.readyState === "open") source.endOfStream();
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}

function append(buffer, bytes) {
  buffer.appendBuffer(bytes);
  return once(buffer, "updateend");
}

function once(target, name) {
  return new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
