"""Authorization requests that their client signed (RFC 9101): what is signed counts, and nothing beside it."""

import msgspec
import pytest
from oauth_story import CALLBACK
from story import ISSUER
from watchword.jose import base64url
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer

from .test_authorize import FIRST_PARTY, asking

KEY = Key.generate("ES256")


def signed(oauth, key: Key = KEY, **changes) -> str:
    now = int(oauth.server.clock.now())
    claims = asking("own") | {"iss": "own", "aud": ISSUER, "nbf": now, "exp": now + 60} | changes
    return Signer(key, typ="oauth-authz-req+jwt").sign(
        msgspec.json.encode({name: value for name, value in claims.items() if value is not None})
    )


async def own(oauth, **metadata):
    return await oauth.client("own", settings=FIRST_PARTY, key=KEY, **metadata)


@pytest.mark.rfc("9101 §6.3/1")
@pytest.mark.rfc("openid-core §6.1")
async def test_what_is_signed_counts_and_what_stands_beside_it_does_not(oauth, ada):
    await own(oauth, require_signed_request_object=True)
    beside = {"redirect_uri": "https://evil.example", "state": "evil", "scope": "openid email", "prompt": "none"}
    await ada.goes_to("/authorize", client_id="own", request=signed(oauth), **beside)
    oauth.server.clock.advance(120)
    await ada.logs_in()
    assert ada.left.startswith(f"{CALLBACK}?code=")
    assert ada.told["state"] == "af0ifjsldkj", "and it is checked once, not at each page, when it would be over"


@pytest.mark.rfc("9101 §10.5")
async def test_a_client_that_has_to_sign_may_not_do_without(oauth, ada):
    await own(oauth, require_signed_request_object=True)
    await ada.goes_to("/authorize", **asking("own"))
    assert ada.told["error"] == "invalid_request"
    await ada.goes_to("/authorize", **asking("own", signed="true"))
    assert ada.told["error"] == "invalid_request"


@pytest.mark.rfc("9101 §6.2/1")
@pytest.mark.rfc("9101 §4/3")
@pytest.mark.rfc("9101 §5/1")
@pytest.mark.rfc("9101 §6.3/2")
@pytest.mark.rfc("9101 §7")
async def test_forged_strange_and_stale_objects_are_refused_on_a_page(oauth, ada):
    await own(oauth)
    await oauth.client("other")
    none = ".".join((base64url.encode(b'{"alg":"none"}'), base64url.encode(msgspec.json.encode(asking("own"))), ""))
    for raw in (
        signed(oauth, Key.generate("ES256")),
        signed(oauth)[:-4] + "AAAA",
        signed(oauth, iss="other"),
        signed(oauth, aud="https://elsewhere.example"),
        signed(oauth, client_id="other"),
        signed(oauth, exp=int(oauth.server.clock.now()) - 60),
        signed(oauth, request="x.y.z"),
        signed(oauth, request_uri="https://evil.example"),
        signed(oauth, sub="own"),
        none,
        "not a token",
        "e" * 4000,
    ):
        await ada.goes_to("/authorize", client_id="own", request=raw, redirect_uri=CALLBACK)
        assert ada.answer.status_code == 400, raw
        assert "invalid_request_object" in ada.answer.text
    await ada.goes_to("/authorize", client_id="own", request=signed(oauth, redirect_uri="https://evil.example"))
    assert ada.answer.status_code == 400
    assert "evil.example" not in ada.answer.text
    await ada.goes_to("/authorize", client_id="other", request=signed(oauth))
    assert ada.answer.status_code == 400, "a client without keys signs nothing"


@pytest.mark.rfc("9101 §6.3/2")
@pytest.mark.rfc("9126 §2.3")
@pytest.mark.rfc("9126 §3/1")
async def test_a_signed_request_can_be_pushed_and_its_signature_is_checked_there(oauth, ada):
    client = await own(oauth, require_signed_request_object=True)
    for request, status in ((signed(oauth, Key.generate("ES256")), 400), (signed(oauth), 201)):
        answer = await oauth.post("/par", client, request=request, client_id="own")
        assert answer.status_code == status, answer.text
    await ada.goes_to("/authorize", client_id="own", request_uri=answer.json()["request_uri"])
    await ada.logs_in()
    assert ada.told["state"] == "af0ifjsldkj"
    bare = await oauth.post("/par", client, **asking("own"))
    assert bare.json()["error"] == "invalid_request"
