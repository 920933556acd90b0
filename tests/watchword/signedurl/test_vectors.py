"""The canonical form against its published vectors, which were computed without this library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from watchword.jose import Key
from watchword.signedurl import MemorySingleUse, SignedUrls, UrlRejected, UrlRequest, grammar
from watchword.signedurl import caveats as rules
from watchword.testing import FakeClock
from watchword.verify.revocation import RevocationView

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/signed-urls/version-1.json").read_text("utf-8"))
KEYS = [Key.from_jwk(jwk) for jwk in VECTORS["keys"]]


def urls(keys=KEYS, **options) -> SignedUrls:
    clock = FakeClock(float(VECTORS["now"]))
    options = {"single_use": MemorySingleUse(clock=clock), "cut_offs": RevocationView(clock=clock), **options}
    return SignedUrls(keys, origin=VECTORS["origin"], clock=clock, **options)


def named(vectors):
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


@pytest.mark.parametrize("vector", named(VECTORS["good"]))
def test_what_another_implementation_signed_is_good(vector):
    url = urls().verify(UrlRequest(**vector["request"]))
    assert (url.kid, url.expires_at) == (vector["kid"], 1800000600)
    assert rules.decode(rules.encode(url.caveats)) == url.caveats
    assert set(vector["caveats"]) == {
        name for name in url.caveats.__struct_fields__ if getattr(url.caveats, name) != getattr(rules.NO_CAVEATS, name)
    }


@pytest.mark.parametrize("vector", named(VECTORS["good"]))
def test_the_message_is_the_published_one_and_so_is_its_signature(vector):
    request = vector["request"]
    found = grammar.take_apart(request["target"])
    place = vector["caveats"].get("prefix", found.path)
    bound = vector["caveats"].get("query", "all")
    query = found.query if bound == "all" else None if bound == "none" else grammar.listed(found.query, tuple(bound))
    method = "GET" if request["method"] == "HEAD" else request["method"]
    message = grammar.message(method, VECTORS["origin"], grammar.signed_part(place, query, found.claims))
    assert message.decode() == vector["message"]
    assert found.signature == vector["signature"]


@pytest.mark.parametrize("vector", named(VECTORS["bad"]))
def test_what_was_changed_is_refused_for_its_reason(vector):
    with pytest.raises(UrlRejected) as refused:
        urls().verify(UrlRequest(**vector["request"]))
    assert refused.value.reason == vector["reason"]


def test_the_public_half_of_a_key_is_enough_to_verify():
    public = KEYS[1].public()
    for vector in VECTORS["good"]:
        if vector["kid"] == "e1":
            assert urls([public]).verify(UrlRequest(**vector["request"])).kid == "e1"
