"""Authlib, a stranger's client, at the token, introspection, revocation and userinfo endpoints over real HTTP semantics."""

import time

import httpx2
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwk, jwt
from oauth_story import CALLBACK, VERIFIER, OAuth
from story import ISSUER
from watchword.jose.jwk import Key
from watchword_server.clients.metadata import ClientSettings


@pytest.fixture
async def oauth(open_server):
    async with open_server(WATCHWORD_TOKENS__ACCESS_LIFETIME="600") as server, server.browser() as http:
        # Authlib reads the clock of this machine.
        server.clock.advance(time.time() - server.clock.now())
        yield OAuth(server, http)


def authlib(
    oauth: OAuth, client_id: str, secret: object, method: str = "client_secret_basic", **more
) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        transport=httpx2.ASGITransport(app=oauth.server.app),
        base_url=ISSUER,
        **more,
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_authlib_gets_refreshes_asks_about_and_revokes_tokens(oauth, method):
    app = await oauth.client(token_endpoint_auth_method=method)
    ada = await oauth.account()
    code = await oauth.code(app, ada, scope=("openid", "email"), nonce="n")
    async with authlib(oauth, "app", app.secret, method, redirect_uri=CALLBACK, code_challenge_method="S256") as client:
        token = await client.fetch_token(
            f"{ISSUER}/token", grant_type="authorization_code", code=code, code_verifier=VERIFIER
        )
        keys = jwk.KeySet.import_key_set((await oauth.http.get("/jwks.json")).json())
        identity = jwt.decode(token["id_token"], keys, algorithms=["ES256"]).claims
        assert (identity["sub"], identity["nonce"]) == (ada, "n")
        told = await client.get(f"{ISSUER}/userinfo")
        assert told.json() == {"sub": ada, "email": "ada@example.test", "email_verified": False}
        fresh = await client.refresh_token(f"{ISSUER}/token", refresh_token=token["refresh_token"])
        assert fresh["access_token"] != token["access_token"]
        about = await client.introspect_token(f"{ISSUER}/introspect", token=fresh["access_token"])
        assert about.json()["active"] is True
        revoked = await client.revoke_token(f"{ISSUER}/revoke", token=fresh["refresh_token"])
        assert revoked.status_code == 200
        about = await client.introspect_token(f"{ISSUER}/introspect", token=fresh["access_token"])
        assert about.json() == {"active": False}
        with pytest.raises(OAuthError, match="invalid_grant"):
            await client.refresh_token(f"{ISSUER}/token", refresh_token=fresh["refresh_token"])


async def test_authlib_authenticates_by_private_key_jwt(oauth):
    key = jwk.RSAKey.generate_key(2048, {"kid": "k", "use": "sig"})
    await oauth.machine(
        "signer", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]}
    )
    async with authlib(oauth, "signer", key.as_pem(private=True), "private_key_jwt") as client:
        client.register_client_auth_method(PrivateKeyJWT(f"{ISSUER}/token", headers={"kid": "k"}))
        for _ in range(2):
            token = await client.fetch_token(f"{ISSUER}/token", grant_type="client_credentials")
            assert token["token_type"] == "Bearer"


async def test_authlib_is_refused_with_anothers_key(oauth):
    key, thief = (jwk.RSAKey.generate_key(2048, {"kid": "k"}) for _ in range(2))
    await oauth.machine("signer", token_endpoint_auth_method="private_key_jwt",
                        jwks={"keys": [key.as_dict(private=False)]})  # fmt: skip
    async with authlib(oauth, "signer", thief.as_pem(private=True), "private_key_jwt") as client:
        client.register_client_auth_method(PrivateKeyJWT(f"{ISSUER}/token", headers={"kid": "k"}))
        with pytest.raises(OAuthError, match="invalid_client"):
            await client.fetch_token(f"{ISSUER}/token", grant_type="client_credentials")


async def test_a_resource_server_in_the_librarys_own_words(oauth):
    """The verifier that our users run takes what /token gives."""
    from watchword.jose.jwk import KeySet
    from watchword.verify.check import check_access_token
    from watchword.verify.policy import Policy

    robot = await oauth.machine(key=Key.generate("EdDSA", "k"), settings=ClientSettings(roles=("user",)))
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    keys = KeySet.from_json((await oauth.http.get("/jwks.json")).content)
    checked = check_access_token(token, keys, Policy(issuer=ISSUER, audience=ISSUER), oauth.server.clock.now())
    assert checked.roles == ("user",)
