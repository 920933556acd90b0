"""Signed answers of the feed: who signed them, for which question, and how strictly a question is read."""

import gzip
import json

import httpx
import pytest
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet
from watchword.jose.jws import VerifiedJws, verify
from watchword_server.store.records import AuditEvent, Origin

FEED = {"Authorization": "Bearer feed-token-of-the-tests"}
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
LONG = 4_000_000
TEST = Origin(actor="cli")
AUDIT = AuditEvent(event="test.happened", origin=TEST)


async def feed_keys(client: httpx.AsyncClient) -> KeySet:
    return KeySet.from_json((await client.get("/revocations/keys")).content)


async def signed(client: httpx.AsyncClient, **params: str) -> tuple[VerifiedJws, dict]:
    answer = await client.get("/revocations", params={"nonce": NONCE} | params, headers=FEED)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/watchword-revocations+jwt"
    assert answer.headers["cache-control"] == "no-store"
    jws = verify(answer.text, await feed_keys(client), algorithms={"ES256"}, max_length=LONG)
    return jws, json.loads(jws.payload)


async def log_out_once(server) -> None:
    async with server.browser() as client:
        await server.register(client)
        await server.login(client)
        await client.post("/auth/logout")


async def test_a_question_with_a_nonce_is_answered_signed_with_that_nonce_and_its_cursor(server):
    await log_out_once(server)
    async with server.browser() as client:
        jws, first = await signed(client)
        assert jws.header["typ"] == "revocations+jwt"
        assert jws.header["alg"] == "ES256"
        assert first.keys() == {"iss", "nonce", "from", "cursor", "entries", "more", "snapshot"}
        assert first["iss"] == server.services.settings.issuer
        assert (first["nonce"], first["from"], first["snapshot"], first["more"]) == (NONCE, None, True, False)
        plain = (await client.get("/revocations", headers=FEED)).json()
        assert (first["entries"], first["cursor"]) == (plain["entries"], plain["cursor"])
        longest = "z" * 128
        _, second = await signed(client, cursor=first["cursor"], nonce=longest)
        assert (second["nonce"], second["from"]) == (longest, first["cursor"])
        assert (second["entries"], second["snapshot"], second["cursor"]) == ([], False, first["cursor"])


async def test_the_signature_is_by_a_feed_key_and_by_no_key_of_tokens(server):
    async with server.browser() as client:
        raw = (await client.get("/revocations", params={"nonce": NONCE}, headers=FEED)).text
        token_keys = KeySet.from_json((await client.get("/jwks.json")).content)
        with pytest.raises(JoseError):
            verify(raw, token_keys, algorithms={"ES256"})
        ours = {key["kid"] for key in (await client.get("/revocations/keys")).json()["keys"]}
        theirs = {key["kid"] for key in (await client.get("/jwks.json")).json()["keys"]}
        assert ours.isdisjoint(theirs)
        assert len(ours) == 2


async def test_an_answer_of_the_feed_is_no_access_token(server):
    async with server.browser() as client:
        raw = (await client.get("/revocations", params={"nonce": NONCE}, headers=FEED)).text
        assert (await client.get("/auth/me", headers={"Authorization": f"Bearer {raw}"})).status_code == 401


async def test_the_keys_are_public_cacheable_and_found_by_discovery(server):
    async with server.browser() as client:
        answer = await client.get("/revocations/keys")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=60"
        again = await client.get("/revocations/keys", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        for key in answer.json()["keys"]:
            assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["watchword_revocations_keys_uri"] == f"{metadata['issuer']}/revocations/keys"


async def test_a_rotated_and_a_distrusted_feed_key(server):
    ring = server.services.keys
    async with server.browser() as client:
        jws, _ = await signed(client)
        old = jws.key.kid
        await ring.rotate("feed", TEST, at_once=True)
        jws, _ = await signed(client)
        new = jws.key.kid
        assert new != old
        assert old in {key.kid for key in await feed_keys(client)}
        await ring.distrust(new, TEST)
        jws, answer = await signed(client)
        assert jws.key.kid not in {old, new}
        assert new not in {key.kid for key in await feed_keys(client)}
        assert ("key", new) in {(entry["axis"], entry["value"]) for entry in answer["entries"]}


@pytest.mark.parametrize(
    "query",
    [
        "nonce=",
        "nonce=" + "A" * 21,
        "nonce=" + "A" * 129,
        "nonce=" + "A" * 3000,
        "nonce=" + "A" * 21 + "%2B",
        "nonce=" + "A" * 21 + "=",
        "nonce=" + "A" * 22 + "%0A",
        "nonce=" + "A" * 21 + "%C3%A9",
        f"nonce={NONCE}&nonce={NONCE}",
        f"nonce={NONCE}&nonce=" + "B" * 22,
        f"nonce={NONCE}&cursor=x",
        f"nonce={NONCE}&limit=0",
        "wait=1",
        f"wait=1&nonce={NONCE}",
        "wait=0",
    ],
)
async def test_a_malformed_question_is_400(server, query):
    async with server.browser() as client:
        answer = await client.get(f"/revocations?{query}", headers=FEED)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "wait", ["-1", "25.1", "26", "100", "1e1", "nan", "inf", "", "+1", " 1", "0x1", "1.", "1,5", "²"]
)
async def test_a_wait_that_is_no_number_of_seconds_up_to_25_is_400(server, wait):
    async with server.browser() as client:
        cursor = (await client.get("/revocations", headers=FEED)).json()["cursor"]
        answer = await client.get("/revocations", params={"cursor": cursor, "wait": wait}, headers=FEED)
        assert (answer.status_code, answer.json()["code"]) == (400, "wait_malformed")


async def test_a_signed_question_needs_the_feeds_token_too(server):
    async with server.browser() as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = await client.get("/revocations", params={"nonce": NONCE}, headers=headers)
            assert answer.status_code == 401
            assert "nonce" not in answer.text


async def test_long_answers_are_compressed_for_whoever_accepts_it_and_short_ones_are_not(server):
    store = server.services.store
    for number in range(60):
        await store.cut_off("token", f"{number:064}", spares=None, ends_families=False, cause="test", audit=AUDIT)
    async with server.browser() as client:
        for params in ({}, {"nonce": NONCE}):
            request = client.build_request("GET", "/revocations", params=params, headers=FEED)
            request.headers["accept-encoding"] = "br;q=1, gzip;q=0.5"
            packed = await client.send(request, stream=True)
            raw = b"".join([chunk async for chunk in packed.aiter_raw()])
            assert packed.headers["content-encoding"] == "gzip"
            assert "accept-encoding" in packed.headers["vary"].lower()
            for refused in ("identity", "gzip;q=0", "br", "gzipped"):
                plain = await client.get("/revocations", params=params, headers=FEED | {"accept-encoding": refused})
                assert "content-encoding" not in plain.headers
                assert len(raw) < len(plain.content)
                if not params:
                    assert gzip.decompress(raw) == plain.content
        cursor = (await client.get("/revocations", headers=FEED)).json()["cursor"]
        short = await client.get("/revocations", params={"cursor": cursor}, headers=FEED | {"accept-encoding": "gzip"})
        assert "content-encoding" not in short.headers
