// A story of openid-client as an application whose ID tokens nobody else can read.

import * as client from "openid-client";
import { decodeProtectedHeader, importJWK } from "jose";
import { opened, tell } from "./talk.mjs";

await tell({
  async encrypted({ issuer, client: metadata, secret, scope, decryption }) {
    const config = await client.discovery(new URL(issuer), metadata.client_id, metadata, client.ClientSecretBasic(secret));
    const key = await importJWK(decryption, decryption.alg);
    client.enableDecryptingResponses(config, ["A256GCM", "A128GCM"], { key, alg: decryption.alg, kid: decryption.kid });
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedNonce = client.randomNonce();
    const page = client.buildAuthorizationUrl(config, {
      redirect_uri: "https://app.example.test/callback",
      scope,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      prompt: "consent",
      nonce: expectedNonce,
    });
    const checks = { pkceCodeVerifier, expectedNonce, idTokenExpected: true };
    const first = await client.authorizationCodeGrant(config, await opened(page), checks);
    const second = await client.refreshTokenGrant(config, first.refresh_token);
    const person = await client.fetchUserInfo(config, first.access_token, first.claims().sub);
    return {
      header: decodeProtectedHeader(first.id_token),
      sub: first.claims().sub,
      again: second.claims().sub,
      person: person.sub,
    };
  },
});
