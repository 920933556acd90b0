// Answers questions from standard input, one JSON array: {library, op: "verify" | "sign", alg, …} each.

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { createSigner, createVerifier } from "fast-jwt";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

const header = { typ: "at+jwt", kid: "theirs" };

function pair(alg) {
  const made = {
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: () => generateKeyPairSync("ed25519"),
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  }[alg]();
  const jwk = { ...made.publicKey.export({ format: "jwk" }), kid: "theirs", alg, use: "sig" };
  return { key: made.privateKey, pem: made.privateKey.export({ type: "pkcs8", format: "pem" }), jwk };
}

function found(jwks, token) {
  const { kid } = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
  const jwk = jwks.keys.find((one) => one.kid === kid);
  return createPublicKey({ key: jwk, format: "jwk" });
}

const libraries = {
  jose: {
    async verify({ token, jwks, issuer, audience, alg }) {
      const options = { issuer, audience, algorithms: [alg], typ: "at+jwt" };
      return (await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), options)).payload;
    },
    async sign({ key }, alg, claims) {
      return new jose.SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(key);
    },
  },
  jsonwebtoken: {
    async verify({ token, jwks, issuer, audience, alg }) {
      return jsonwebtoken.verify(token, found(jwks, token), { issuer, audience, algorithms: [alg] });
    },
    async sign({ key }, alg, claims) {
      return jsonwebtoken.sign(claims, key, { algorithm: alg, header: { ...header, alg } });
    },
  },
  "fast-jwt": {
    async verify({ token, jwks, issuer, audience, alg }) {
      const key = found(jwks, token).export({ type: "spki", format: "pem" });
      return createVerifier({ key, algorithms: [alg], allowedIss: issuer, allowedAud: audience })(token);
    },
    async sign({ pem }, alg, claims) {
      return createSigner({ key: pem, algorithm: alg, kid: "theirs", header: { typ: "at+jwt" } })(claims);
    },
  },
};

async function answer(question) {
  const library = libraries[question.library];
  try {
    if (question.op === "verify") return { claims: await library.verify(question) };
    const made = pair(question.alg);
    return { token: await library.sign(made, question.alg, question.claims), jwk: made.jwk };
  } catch (error) {
    return { refused: String(error.message) };
  }
}

let text = "";
for await (const piece of process.stdin) text += piece;
console.log(JSON.stringify(await Promise.all(JSON.parse(text).map(answer))));
