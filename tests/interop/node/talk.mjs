// How a test talks with a client in Node: a line of JSON each way. The test names a story and gives what it needs; the
// story asks for a person to open pages, and returns what it saw.

import { createInterface } from "node:readline";
import { createServer, request as ask } from "node:https";
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

/** A `fetch` that shows a client certificate, and notes in `asked` where it went. */
export function showing({ cert, key }, asked) {
  const shown = { cert: readFileSync(cert), key: readFileSync(key) };
  return (url, { method = "GET", headers, body }) =>
    new Promise((resolve, reject) => {
      asked.push(String(url));
      const sent = Object.fromEntries(new Headers(headers));
      const request = ask(url, { ...shown, method, headers: sent, agent: false }, async (response) => {
        const pieces = [];
        for await (const piece of response) pieces.push(piece);
        resolve(new Response(Buffer.concat(pieces), { status: response.statusCode, headers: response.headers }));
      });
      request.on("error", reject);
      request.end(body === undefined || body === null ? undefined : String(body));
    });
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
