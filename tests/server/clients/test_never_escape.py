"""Whatever strangers write, the readers of clients give a value or an OAuthError, and never another exception."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword.oauth.errors import OAuthError
from watchword_server.clients.metadata import ClientMetadata, ClientSettings
from watchword_server.clients.redirect_uris import redirect_uri_allowed, redirect_uri_fault
from watchword_server.clients.registration import RegistrationRules, judge, read_metadata

from .conftest import Authenticating

RULES = RegistrationRules(
    grant_types=("authorization_code", "refresh_token", "client_credentials"),
    auth_methods=("none", "client_secret_basic", "private_key_jwt"),
    algorithms=("RS256", "ES256"),
)
URIS = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"(https?|com\.example|javascript)://?[a-z\[\]:@.%0-9*#?/\\]{0,40}", fullmatch=True),
)
TEXTS = st.one_of(st.text(max_size=20), URIS)
JSON: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from([field.name for field in msgspec.structs.fields(ClientMetadata)]),
    st.one_of(
        JSON, st.lists(URIS, max_size=3), st.sampled_from(["none", "pairwise", "native", "private_key_jwt", "fapi2"])
    ),
    max_size=6,
)


@given(URIS, st.sampled_from(["web", "native"]))
@settings(max_examples=400, deadline=None)
def test_redirect_uris(uri: str, kind: Any) -> None:
    fault = redirect_uri_fault(uri, kind)
    assert fault is None or fault
    if fault is None:
        assert redirect_uri_allowed(uri, (uri,), kind)
    assert not redirect_uri_allowed(uri + "x", (uri,), kind)


@given(MEMBERS, st.sampled_from([None, ClientSettings(profile="fapi2"), ClientSettings(may_introspect=True)]))
@settings(max_examples=400, deadline=None)
def test_metadata(members: dict[str, Any], decided: ClientSettings | None) -> None:
    code = None
    try:
        judge(read_metadata(members), RULES, decided)
    except OAuthError as refused:
        code = refused.code
    assert code in {None, "invalid_redirect_uri", "invalid_client_metadata"}


@pytest.mark.parametrize("registered", ["client_secret_basic", "private_key_jwt", "none"])
@given(
    authorization=st.one_of(
        st.none(), st.text(max_size=40), st.binary(max_size=40).map(lambda raw: "Basic " + base64.b64encode(raw).decode())
    ),
    client_id=st.one_of(st.none(), st.just("app"), st.text(max_size=20)),
    client_secret=st.one_of(st.none(), st.text(max_size=20)),
    assertion=st.one_of(st.none(), st.text(max_size=40), st.from_regex(r"[\w-]{2,30}\.[\w-]{2,30}\.[\w-]{0,20}", fullmatch=True)),
    assertion_type=st.one_of(st.none(), st.just("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
async def test_credentials(registered: str, **presented: Any) -> None:
    world = Authenticating()
    world.client("app", registered, jwks=world.jwks)
    outcome = None
    try:
        outcome = (await world.authenticate(**presented)).method
    except OAuthError as refused:
        outcome = refused.code
    assert outcome in {"invalid_client", "invalid_request"} | ({"none"} if registered == "none" else set())
