// The throw-away account: an address nobody owns, a strong password, one click. Both are kept in memory only, to show
// them and to log a second device in.

import { byId, h, onPress } from "./dom.js";
import { explanation } from "./exchange.js";
import { login, register, session } from "./session.js";

const LETTERS = "abcdefghijkmnpqrstuvwxyz23456789";
let made = null;

/** {email, password} of the throw-away account, if that is who is logged in. */
export function knownCredentials() {
  return made && session.value.account?.email === made.email ? made : null;
}

export function startThrowaway() {
  onPress(byId("throwaway"), create);
  session.watch(() => {
    const known = knownCredentials();
    const line = byId("credentials");
    line.hidden = !known;
    if (known) line.replaceChildren("Password ", h("code", {}, known.password), ", made by this page and kept in its memory only.");
  });
}

async function create() {
  const fresh = { email: `guest-${chance(6)}@example.test`, password: [5, 5, 5, 5].map(chance).join("-") };
  let answer = await register(fresh);
  if (answer.ok) {
    made = fresh;
    answer = await login(fresh.email, fresh.password);
  }
  const line = byId("login").querySelector(".error");
  line.hidden = answer.ok;
  line.textContent = answer.ok ? "" : explanation(answer);
}

/** That many letters by chance, each worth five bits. */
function chance(count) {
  return Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => LETTERS[byte % 32]).join("");
}
