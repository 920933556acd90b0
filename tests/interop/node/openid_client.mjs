// Stories of openid-client, as applications on Node use it.

import * as client from "openid-client";
import { importJWK } from "jose";
import { opened, showing, tell } from "./talk.mjs";

const REDIRECT = "https://app.example.test/callback";

async function configured({ issuer, client: metadata, secret, key }) {
  let method;
  switch (metadata.token_endpoint_auth_method) {
    case "client_secret_basic":
      method = client.ClientSecretBasic(secret);
      break;
    case "client_secret_post":
      method = client.ClientSecretPost(secret);
      break;
    case "client_secret_jwt":
      method = client.ClientSecretJwt(secret);
      break;
    case "private_key_jwt":
      method = client.PrivateKeyJwt({ key: await importJWK(key, key.alg), kid: key.kid });
      break;
    default:
      method = client.None();
  }
  return client.discovery(new URL(issuer), metadata.client_id, metadata, method, {
    execute: [client.enableNonRepudiationChecks],
  });
}

await tell({
  async everything(given) {
    const config = await configured(given);
    const DPoP = given.dpop ? client.getDPoPHandle(config, await client.randomDPoPKeyPair(given.dpop)) : undefined;
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const expectedNonce = client.randomNonce();
    const parameters = {
      redirect_uri: REDIRECT,
      scope: given.scope,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      prompt: "consent",
      state: expectedState,
      nonce: expectedNonce,
      ...(given.response_mode ? { response_mode: given.response_mode } : {}),
    };
    const page = given.par
      ? await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
      : client.buildAuthorizationUrl(config, parameters);
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
    const first = await client.authorizationCodeGrant(config, await opened(page), checks, {}, { DPoP });
    const { sub, sid } = first.claims();
    const person = await client.fetchUserInfo(config, first.access_token, sub, { DPoP });
    const second = await client.refreshTokenGrant(config, first.refresh_token, {}, { DPoP });
    const confidential = given.client.token_endpoint_auth_method !== "none";
    const state = async () => (await client.tokenIntrospection(config, second.access_token)).active;
    const active = confidential ? await state() : null;
    await client.tokenRevocation(config, second.refresh_token ?? first.refresh_token);
    const after = confidential ? await state() : null;
    const alg = JSON.parse(Buffer.from(first.id_token.split(".")[0], "base64url")).alg;
    const bye = client.buildEndSessionUrl(config, {
      id_token_hint: first.id_token, post_logout_redirect_uri: "https://app.example.test/bye" });
    return { sub, sid, person, alg, token_type: second.token_type, active, after, back: String(await opened(bye)) };
  },

  async client_credentials(given) {
    const config = await configured(given);
    const result = await client.clientCredentialsGrant(config, { scope: given.scope, resource: given.resource });
    return { token_type: result.token_type, expires_in: result.expires_in };
  },

  /** By certificate, at the aliases of RFC 8705 §5. */
  async certificate(given) {
    const asked = [];
    const metadata = { ...given.client, use_mtls_endpoint_aliases: true };
    const config = await client.discovery(new URL(given.issuer), metadata.client_id, metadata, client.TlsClientAuth());
    config[client.customFetch] = showing(given.shown, asked);
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const page = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: REDIRECT, scope: given.scope, prompt: "consent", state: expectedState,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256" });
    const first = await client.authorizationCodeGrant(
      config, await opened(page), { pkceCodeVerifier, expectedState, idTokenExpected: true });
    const { sub } = first.claims();
    await client.fetchUserInfo(config, first.access_token, sub);
    const second = await client.refreshTokenGrant(config, first.refresh_token);
    const { active, cnf } = await client.tokenIntrospection(config, second.access_token);
    await client.tokenRevocation(config, second.refresh_token ?? first.refresh_token);
    return { sub, active, cnf, after: (await client.tokenIntrospection(config, second.access_token)).active, asked };
  },

  async device(given) {
    const config = await configured(given);
    const started = await client.initiateDeviceAuthorization(config, { scope: given.scope });
    await opened(started.verification_uri_complete ?? started.verification_uri);
    const result = await client.pollDeviceAuthorizationGrant(config, started);
    return { sub: result.claims().sub };
  },
});
