// Stories of oauth4webapi, which checks every answer by the letter of its RFC.

import * as oauth from "oauth4webapi";
import { createRemoteJWKSet, importJWK, jwtVerify } from "jose";
import { listener, opened, showing, tell } from "./talk.mjs";

const REDIRECT = "https://app.example.test/callback";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

async function discovered(issuer, algorithm = "oidc") {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm }));
}

async function authentication({ client, secret, key }) {
  switch (client.token_endpoint_auth_method) {
    case "client_secret_basic":
      return oauth.ClientSecretBasic(secret);
    case "client_secret_post":
      return oauth.ClientSecretPost(secret);
    case "client_secret_jwt":
      return oauth.ClientSecretJwt(secret);
    case "private_key_jwt":
      return oauth.PrivateKeyJwt({ key: await importJWK(key, key.alg), kid: key.kid });
    default:
      return oauth.None();
  }
}

/** Ask once more with the nonce the server gave: what RFC 9449 §8 expects of clients. */
async function withNonce(dpop, send) {
  try {
    return await send();
  } catch (error) {
    if (dpop && oauth.isDPoPNonceError(error)) return send();
    throw error;
  }
}

async function authorized(given, as, client, auth, dpop, extra) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    response_type: "code",
    scope: given.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    prompt: "consent",
    state,
    nonce,
    ...(dpop ? { dpop_jkt: await dpop.calculateThumbprint() } : {}),
    ...extra,
  });
  const page = new URL(as.authorization_endpoint);
  if (given.par) {
    const send = async () =>
      oauth.processPushedAuthorizationResponse(
        as, client, await oauth.pushedAuthorizationRequest(as, client, auth, parameters, { DPoP: dpop }));
    const pushed = await withNonce(dpop, send);
    page.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
  } else {
    page.search = parameters;
  }
  const back = await opened(page);
  const answer = oauth.validateAuthResponse(
    as, client, back instanceof Request ? new URLSearchParams(await oauth.formPostResponse(back)) : back, state);
  return { answer, verifier, nonce };
}

async function tokens(given, as, client, auth, dpop, extra = {}) {
  const { answer, verifier, nonce } = await authorized(given, as, client, auth, dpop, extra);
  return withNonce(dpop, async () => {
    const response = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT, verifier, { DPoP: dpop });
    const result = await oauth.processAuthorizationCodeResponse(as, client, response, {
      expectedNonce: nonce, requireIdToken: true });
    await oauth.validateApplicationLevelSignature(as, response);
    return result;
  });
}

async function begun(given) {
  const as = await discovered(given.issuer);
  const auth = await authentication(given);
  const dpop = given.dpop ? oauth.DPoP(given.client, await oauth.generateKeyPair(given.dpop)) : undefined;
  return { as, auth, dpop, client: given.client };
}

await tell({
  /** Code and PKCE, the ID token's signature, userinfo, refresh, introspection, revocation. */
  async everything(given) {
    const { as, auth, dpop, client } = await begun(given);
    const extra = given.response_mode ? { response_mode: given.response_mode } : {};
    const first = await tokens(given, as, client, auth, dpop, extra);
    const claims = oauth.getValidatedIdTokenClaims(first);
    const person = await withNonce(dpop, async () =>
      oauth.processUserInfoResponse(
        as, client, claims.sub, await oauth.userInfoRequest(as, client, first.access_token, { DPoP: dpop })));
    const second = await withNonce(dpop, async () => {
      const response = await oauth.refreshTokenGrantRequest(as, client, auth, first.refresh_token, { DPoP: dpop });
      return oauth.processRefreshTokenResponse(as, client, response);
    });
    let active = null, after = null;
    if (client.token_endpoint_auth_method !== "none") {
      const state = async () =>
        (await oauth.processIntrospectionResponse(
          as, client, await oauth.introspectionRequest(as, client, auth, second.access_token))).active;
      active = await state();
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, auth, second.refresh_token ?? first.refresh_token));
      after = await state();
    } else {
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(as, client, auth, second.refresh_token ?? first.refresh_token));
    }
    const alg = JSON.parse(Buffer.from(first.id_token.split(".")[0], "base64url")).alg;
    return { sub: claims.sub, person, alg, token_type: second.token_type, active, after };
  },

  /** The other document says the same (RFC 8414). */
  async both_documents({ issuer }) {
    return [await discovered(issuer, "oidc"), await discovered(issuer, "oauth2")];
  },

  async client_credentials(given) {
    const { as, auth, client } = await begun(given);
    const send = await oauth.clientCredentialsGrantRequest(as, client, auth, { scope: given.scope, resource: given.resource });
    const result = await oauth.processClientCredentialsResponse(as, client, send);
    const request = new Request(given.resource, { headers: { authorization: `Bearer ${result.access_token}` } });
    return { claims: await oauth.validateJwtAccessToken(as, request, given.resource), token_type: result.token_type };
  },

  async token_exchange(given) {
    const { as, auth, client } = await begun(given);
    const first = await tokens(given, as, client, auth);
    const response = await oauth.genericTokenEndpointRequest(as, client, auth, EXCHANGE, {
      subject_token: first.access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      resource: given.resource,
      scope: given.narrow,
    });
    const result = await oauth.processGenericTokenEndpointResponse(as, client, response);
    const request = new Request(given.resource, { headers: { authorization: `Bearer ${result.access_token}` } });
    return { claims: await oauth.validateJwtAccessToken(as, request, given.resource), answer: result };
  },

  /** Registered by the client itself (RFC 7591), then used. */
  async registration(given) {
    const as = await discovered(given.issuer);
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, { redirect_uris: [REDIRECT], ...given.metadata }));
    const auth = await authentication({ client, secret: client.client_secret, key: given.key });
    const first = await tokens(given, as, client, auth);
    return { client, sub: oauth.getValidatedIdTokenClaims(first).sub };
  },

  /** Logged out at the server: the browser comes back, and a logout token arrives that can be verified. */
  async logout(given) {
    const { as, auth, client } = await begun(given);
    const came = listener(given.tls, given.port);
    const first = await tokens(given, as, client, auth);
    const page = new URL(as.end_session_endpoint);
    page.search = new URLSearchParams({
      id_token_hint: first.id_token, post_logout_redirect_uri: "https://app.example.test/bye", state: "s-1" });
    const back = await opened(page);
    const { payload } = await jwtVerify((await came).get("logout_token"), createRemoteJWKSet(new URL(as.jwks_uri)), {
      issuer: as.issuer, audience: client.client_id, typ: "logout+jwt", maxTokenAge: "2m" });
    return { back: String(back), logout: payload, sid: oauth.getValidatedIdTokenClaims(first).sid };
  },

  /** By certificate, at the aliases of RFC 8705 §5: a pushed request, code, userinfo, refresh, introspection, revocation. */
  async certificate(given) {
    const asked = [];
    const options = { [oauth.customFetch]: showing(given.shown, asked) };
    const as = await discovered(given.issuer);
    const client = { ...given.client, use_mtls_endpoint_aliases: true };
    const auth = oauth.TlsClientAuth();
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const parameters = {
      client_id: client.client_id, redirect_uri: REDIRECT, response_type: "code", scope: given.scope, state,
      prompt: "consent",
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256" };
    const pushed = await oauth.processPushedAuthorizationResponse(
      as, client, await oauth.pushedAuthorizationRequest(as, client, auth, parameters, options));
    const page = new URL(as.authorization_endpoint);
    page.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
    const answer = oauth.validateAuthResponse(as, client, await opened(page), state);
    const first = await oauth.processAuthorizationCodeResponse(
      as, client, await oauth.authorizationCodeGrantRequest(as, client, auth, answer, REDIRECT, verifier, options));
    const { sub } = oauth.getValidatedIdTokenClaims(first);
    await oauth.processUserInfoResponse(
      as, client, sub, await oauth.userInfoRequest(as, client, first.access_token, options));
    const second = await oauth.processRefreshTokenResponse(
      as, client, await oauth.refreshTokenGrantRequest(as, client, auth, first.refresh_token, options));
    const told = async () => oauth.processIntrospectionResponse(
      as, client, await oauth.introspectionRequest(as, client, auth, second.access_token, options));
    const { active, cnf } = await told();
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, auth, second.refresh_token ?? first.refresh_token, options));
    return { sub, active, cnf, after: (await told()).active, asked };
  },

  async device(given) {
    const { as, auth, client } = await begun(given);
    const started = await oauth.processDeviceAuthorizationResponse(
      as, client, await oauth.deviceAuthorizationRequest(as, client, auth, { scope: given.scope }));
    const poll = async () =>
      oauth.processDeviceCodeResponse(
        as, client, await oauth.deviceCodeGrantRequest(as, client, auth, started.device_code));
    let early = null;
    await poll().catch((error) => (early = error.error));
    await opened(started.verification_uri_complete);
    await new Promise((resolve) => setTimeout(resolve, started.interval * 1000 + 100));
    const result = await poll();
    return { early, started, sub: oauth.getValidatedIdTokenClaims(result).sub };
  },
});
