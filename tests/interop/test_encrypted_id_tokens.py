"""ID tokens that strangers' clients decrypt and verify: openid-client on Node, and a relying party by joserfc."""

from __future__ import annotations

import pytest
from joserfc import jwe, jwk, jwt
from node_library import REDIRECT, SCOPE, SECRET, Node
from relying_party import RelyingParty
from watchword.jose.encryption_key import EncryptionKey

KEYS = {
    "elliptic": EncryptionKey.generate(kid="e"),
    "direct": EncryptionKey.generate("ECDH-ES", "d"),
    "rsa": EncryptionKey.generate("RSA-OAEP-256", "r"),
}
CLIENTS = [
    {
        "client_id": name,
        "client_name": f"The client {name}",
        "client_secret": SECRET,
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": SCOPE,
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": key.algorithms[0],
        "id_token_encrypted_response_enc": "A128GCM" if name == "rsa" else "A256GCM",
        "jwks": {"keys": [key.public_jwk()]},
    }
    for name, key in KEYS.items()
]


@pytest.fixture(scope="module")
def server(start):
    running = start(CLIENTS)
    running.account = running.register()
    return running


@pytest.fixture(scope="module")
def node(packages, trust):
    running = Node("encrypted_openid_client", packages, trust, CLIENTS)
    yield running
    running.stop()


@pytest.mark.parametrize("name", KEYS)
async def test_openid_client_reads_them(node, server, name):
    key = KEYS[name]
    told = await node.tells("encrypted", server, name, decryption=key.private_jwk())
    assert (told["sub"], told["again"], told["person"]) == (server.account,) * 3
    assert (told["header"]["alg"], told["header"]["kid"], told["header"]["cty"]) == (key.algorithms[0], name[0], "JWT")


@pytest.mark.parametrize("name", KEYS)
async def test_a_relying_party_by_joserfc_reads_them(server, name):
    metadata = next(one for one in CLIENTS if one["client_id"] == name)
    party = RelyingParty(server, metadata)
    async with server.client() as http:
        told = await party.asks(server.person(http), prompt="consent")
    given = {
        "grant_type": "authorization_code", "code": told.code, "redirect_uri": REDIRECT, "code_verifier": told.verifier,
    }  # fmt: skip
    answer = party.http.post(party.op["token_endpoint"], data=given, auth=(name, SECRET))
    assert answer.status_code == 200, answer.text
    key = jwk.import_key(KEYS[name].private_jwk())
    algorithms = [KEYS[name].algorithms[0], "A256GCM", "A128GCM"]
    opened = jwe.decrypt_compact(answer.json()["id_token"], key, algorithms=algorithms)
    keys = jwk.KeySet.import_key_set(party.http.get(party.op["jwks_uri"]).json())
    assert opened.plaintext is not None
    claims = jwt.decode(opened.plaintext.decode(), keys, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["aud"], claims["nonce"]) == (server.account, name, told.nonce)
