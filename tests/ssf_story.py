"""A receiver of security events, as the flows drive one: streams, subjects, polls, and tokens opened."""

import contextlib

from story import ISSUER
from watchword.jose import jws, strict_json
from watchword.jose.jwk import KeySet
from watchword_server.deliveries import deliveries

TOKEN = "receiver-token-of-the-tests"
OTHER = "another-receivers-own-token"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
ON = {
    "WATCHWORD_SSF__ENABLED": "true",
    "WATCHWORD_SSF__RECEIVERS": f'{{"https://acme.example": "{TOKEN}", "other": "{OTHER}"}}',
    "WATCHWORD_SSF__POLL_WAIT": "0",
}
POLL = "urn:ietf:rfc:8936"
PUSH = "urn:ietf:rfc:8935"


@contextlib.asynccontextmanager
async def receiver(server, token=TOKEN):
    async with server.browser() as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def create(client, **members):
    made = await client.post("/ssf/streams", json=members)
    assert made.status_code == 201, made.text
    return made.json()


async def about(client, stream, account):
    subject = {"format": "iss_sub", "iss": ISSUER, "sub": account["id"]}
    added = await client.post("/ssf/subjects/add", json={"stream_id": stream["stream_id"], "subject": subject})
    assert added.status_code == 200


async def follow(server):
    """What the background work of a running server does."""
    follower, worker = deliveries(server.services)
    await follower.catch_up()
    while await worker.turn():
        await worker.idle()
    return worker


async def poll(client, stream, **members):
    path = stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
    got = await client.post(path, json={"returnImmediately": True, **members})
    assert got.status_code == 200, got.text
    return got.json()


async def opened(client, token):
    keys = KeySet.from_json((await client.get("/jwks.json")).content)
    verified = jws.verify(token, keys, algorithms=["ES256"])
    assert jws.parse(token).header["typ"] == "secevent+jwt"
    claims = strict_json.decode_object(verified.payload)
    assert not {"exp", "sub", "sid"} & claims.keys(), "never to be taken for another kind of token"
    return claims
