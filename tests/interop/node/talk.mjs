// How a test talks with a client in Node: a line of JSON each way. The test names a story and gives what it needs; the
// story asks for a person to open pages, and returns what it saw.

import { createInterface } from "node:readline";
import { createServer } from "node:https";
import { readFileSync } from "node:fs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function heard() {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value);
}

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

/** Have a person open the address. Returns the request with which the browser came back: a URL, or a posted form. */
export async function opened(url) {
  say({ open: String(url) });
  const { back, form } = await heard();
  if (form === null) return new URL(back);
  return new Request(back, { method: "POST", body: new URLSearchParams(form) });
}

/** A listener over https for one POST. `came` resolves to its body; `url` is where it listens. */
export async function listener(tls, port) {
  let arrived;
  const came = new Promise((resolve) => (arrived = resolve));
  const server = createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    response.writeHead(200).end();
    arrived(new URLSearchParams(body));
    server.close();
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return came;
}

export async function tell(stories) {
  for (;;) {
    const { story, ...given } = await heard();
    try {
      say({ done: (await stories[story](given)) ?? null });
    } catch (fault) {
      const seen = [];
      for (let one = fault; one; one = one.cause instanceof Error ? one.cause : null) seen.push(one.stack);
      say({ failed: seen.join("\n"), cause: fault.cause instanceof Error ? null : JSON.stringify(fault.cause ?? null) });
    }
  }
}
