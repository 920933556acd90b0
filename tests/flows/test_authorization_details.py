"""Authorization details (RFC 9396) as people, clients and attackers meet them, over each store."""

import hashlib
import json

import pytest
from oauth_story import OAuth, refused, said
from page_story import Person
from story import ISSUER
from watchword.oauth.names import GrantType
from watchword_server.clients.details import decode_details
from watchword_server.clients.metadata import ClientSettings
from watchword_server.tokens.terms import decode_terms

from .test_authorize import asking, exchange
from .test_signed_requests import own, signed

API, BANK, OTHER = "https://api.example.test", "https://bank.example.test", "https://other.example.test"
TYPES = {
    "payment": {
        "words": "Pay a bill",
        "members": ["amount", "to"],
        "actions": ["initiate", "status", "cancel"],
    },
    "report": {"words": "Fetch reports", "without_person": True},
    "files": {"words": "Use your files"},
}
ENVIRON = {
    "WATCHWORD_RESOURCES": json.dumps({API: {}, BANK: {"name": "The bank"}, OTHER: {}}),
    "WATCHWORD_AUTHORIZATION_DETAILS": json.dumps(TYPES),
}
PAYMENT = {
    "type": "payment",
    "locations": [BANK],
    "actions": ["initiate", "status"],
    "amount": {"value": "123.50", "currency": "EUR"},
    "to": "Merchant A",
}
FILES = {"type": "files", "datatypes": ["photos"]}
ALL = ["payment", "report", "files"]


@pytest.fixture
def environ():
    return ENVIRON


@pytest.fixture
async def app(oauth):
    return await oauth.client(authorization_details_types=ALL)


def having(*details: dict, **changes) -> dict:
    return asking(authorization_details=json.dumps(details), **changes)


async def allows(person: Person, **query) -> str:
    """The code that the person has let the client have."""
    await person.goes_to("/authorize", **query)
    if person.sees("sign-in"):
        await person.logs_in()
    if person.sees("allow"):
        await person.press("allow")
    return person.told["code"]


def error_of(person: Person) -> str:
    return person.told["error"]


@pytest.mark.rfc("9396 §9")
@pytest.mark.rfc("9396 §9.2/1")
@pytest.mark.rfc("9396 §7")
@pytest.mark.rfc("9396 §9.1")
async def test_a_person_allows_a_payment_and_the_token_says_which(oauth, ada, app):
    await ada.goes_to("/authorize", **having(PAYMENT))
    await ada.logs_in()
    for words in ("Pay a bill", "The bank", "initiate", "status", "amount", "123.50", "EUR", "Merchant A"):
        assert words in ada.page.said
    await ada.press("allow")
    answer = (await exchange(oauth, app, ada.told["code"])).json()
    assert answer["authorization_details"] == [PAYMENT]
    claims = said(answer["access_token"])
    assert claims["authorization_details"] == [PAYMENT]
    assert claims["aud"] == BANK, "locations bind the audience"
    bank = await oauth.machine("bank", settings=ClientSettings(may_introspect=True, audiences=(BANK,)))
    seen = (await oauth.post("/introspect", bank, token=answer["access_token"])).json()
    assert seen["authorization_details"] == [PAYMENT]


@pytest.mark.rfc("9396 §9.1")
@pytest.mark.rfc("9396 §9.2/2")
async def test_a_resource_learns_only_of_what_concerns_it(oauth, ada, app):
    other = {"type": "files", "locations": [API]}
    answer = (await exchange(oauth, app, await allows(ada, **having(PAYMENT, other)))).json()
    assert said(answer["access_token"])["aud"] == [BANK, API]
    api = await oauth.machine("api", settings=ClientSettings(may_introspect=True, audiences=(API,)))
    seen = (await oauth.post("/introspect", api, token=answer["access_token"])).json()
    assert seen["authorization_details"] == [other]
    again = await oauth.token(app, "refresh_token", refresh_token=answer["refresh_token"], resource=API)
    assert said(again.json()["access_token"])["authorization_details"] == [other]


async def test_a_person_is_asked_again_only_for_what_differs(oauth, ada, app):
    await allows(ada, **having(PAYMENT))
    await ada.goes_to("/authorize", **having(PAYMENT))
    assert "code" in ada.told, "the very same was allowed"
    for changed in ({"to": "Merchant B"}, {"actions": ["initiate"]}, {"amount": True}, {"amount": 1}):
        await ada.goes_to("/authorize", **having(PAYMENT | changed))
        assert ada.sees("allow", "deny"), changed
    await ada.goes_to("/authorize", **having(PAYMENT, FILES))
    assert ada.page.said.count("new") == 1
    await ada.goes_to("/authorize", **having(PAYMENT | {"to": "Merchant B"}, prompt="none"))
    assert error_of(ada) == "consent_required"


async def test_what_people_are_asked_for_each_time_is_never_remembered(open_server):
    once = {**TYPES, "payment": TYPES["payment"] | {"ask_always": True}}
    environ = ENVIRON | {"WATCHWORD_AUTHORIZATION_DETAILS": json.dumps(once)}
    async with open_server(**environ) as server, server.browser() as http:
        oauth = OAuth(server, http)
        account = await oauth.account()
        oauth.http.cookies.clear()
        ada, app = Person(oauth.http), await oauth.client(authorization_details_types=ALL)
        await oauth.client("own", authorization_details_types=ALL, settings=ClientSettings(first_party=True))
        first = await allows(ada, **having(PAYMENT, FILES))
        assert (await exchange(oauth, app, first)).json()["authorization_details"] == [PAYMENT, FILES]
        for client_id in ("app", "app", "own", "own"):
            await ada.goes_to("/authorize", **having(PAYMENT, client_id=client_id))
            assert ada.sees("allow", "deny"), client_id
            await ada.press("allow")
            assert ada.told["code"]
        await ada.goes_to("/authorize", **having(PAYMENT, prompt="none"))
        assert error_of(ada) == "consent_required"
        await ada.goes_to("/authorize", **having(PAYMENT | {"ask_always": False}))
        assert error_of(ada) == "invalid_authorization_details", "what is asked each time, no client says"
        await allows(ada, **having(FILES, PAYMENT))
        kept = await oauth.store.authorization(account, "app")
        assert decode_details(kept.details) == (FILES,)
        await ada.goes_to("/authorize", **having(FILES))
        assert ada.told["code"], "what was allowed beside it is"


async def test_pushed_ones_are_judged_before_the_person_comes(oauth, ada, app):
    pushed = await oauth.http.post("/par", data=having(PAYMENT), headers=app.basic)
    assert pushed.status_code == 201
    code = await allows(ada, client_id="app", request_uri=pushed.json()["request_uri"])
    assert (await exchange(oauth, app, code)).json()["authorization_details"] == [PAYMENT]
    refused(
        await oauth.http.post("/par", data=having({"type": "unknown"}), headers=app.basic),
        "invalid_authorization_details",
    )


async def test_in_a_signed_request_they_are_an_array_and_what_stands_beside_it_does_not_count(oauth, ada):
    await own(oauth, authorization_details_types=ALL)
    beside = json.dumps([PAYMENT | {"to": "Mallory"}])
    request = signed(oauth, authorization_details=[PAYMENT])
    await ada.goes_to("/authorize", client_id="own", request=request, authorization_details=beside)
    await ada.logs_in()
    code = await oauth.store.code(hashlib.sha256(ada.told["code"].encode()).digest())
    assert list(decode_terms(code.terms).details) == [PAYMENT]
    await ada.goes_to("/authorize", client_id="own", request=signed(oauth, authorization_details=[{"type": "x"}]))
    assert error_of(ada) == "invalid_authorization_details"


@pytest.mark.rfc("9396 §6.1")
async def test_less_may_be_asked_for_at_the_token_endpoint(oauth, ada, app):
    code = await allows(ada, **having(PAYMENT, FILES))
    less = PAYMENT | {"actions": ["status"]}
    answer = (await exchange(oauth, app, code, authorization_details=json.dumps([less]))).json()
    assert answer["authorization_details"] == [less]
    whole = (await oauth.token(app, "refresh_token", refresh_token=answer["refresh_token"])).json()
    assert whole["authorization_details"] == [PAYMENT, FILES], "the family holds all that was granted"
    part = await oauth.token(
        app, "refresh_token", refresh_token=whole["refresh_token"], authorization_details=json.dumps([FILES])
    )
    assert said(part.json()["access_token"])["authorization_details"] == [FILES]


MORE = {
    "another amount": PAYMENT | {"amount": {"value": "999.00", "currency": "EUR"}},
    "another payee": PAYMENT | {"to": "Mallory"},
    "one action more": PAYMENT | {"actions": ["initiate", "status", "cancel"]},
    "a list left out": {name: value for name, value in PAYMENT.items() if name != "locations"},
    "another place": PAYMENT | {"locations": [API]},
    "another type": {"type": "files"},
}


@pytest.mark.rfc("9396 §6")
@pytest.mark.rfc("9396 §8")
@pytest.mark.parametrize("wanted", MORE.values(), ids=MORE)
async def test_escalation_at_exchange_and_refresh_is_refused_and_costs_nothing(oauth, ada, app, wanted):
    code, text = await allows(ada, **having(PAYMENT)), json.dumps([wanted])
    refused(await exchange(oauth, app, code, authorization_details=text), "invalid_authorization_details")
    answer = (await exchange(oauth, app, code)).json()
    token = answer["refresh_token"]
    more = await oauth.token(app, "refresh_token", refresh_token=token, authorization_details=text)
    refused(more, "invalid_authorization_details")
    assert (await oauth.token(app, "refresh_token", refresh_token=token)).status_code == 200


async def test_an_authorization_without_details_gives_none_at_refresh(oauth, ada, app):
    answer = (await exchange(oauth, app, await allows(ada, **asking()))).json()
    assert "authorization_details" not in answer
    more = await oauth.token(
        app, "refresh_token", refresh_token=answer["refresh_token"], authorization_details=json.dumps([FILES])
    )
    refused(more, "invalid_authorization_details")


BAD = {
    "no JSON": "x",
    "an object": json.dumps(PAYMENT),
    "none": "[]",
    "texts": '["payment"]',
    "no type": "[{}]",
    "a type that is no text": '[{"type": ["payment"]}]',
    "an unknown type": '[{"type": "admin"}]',
    "an unknown member": json.dumps([PAYMENT | {"fee": 1}]),
    "no action": json.dumps([{"type": "payment"}]),
    "an unknown action": json.dumps([PAYMENT | {"actions": ["steal"]}]),
    "an action that is no text": json.dumps([PAYMENT | {"actions": [{}]}]),
    "actions as text": json.dumps([PAYMENT | {"actions": "initiate"}]),
    "an unknown location": json.dumps([PAYMENT | {"locations": ["https://evil.example"]}]),
    "an identifier that is no text": '[{"type": "files", "identifier": 1}]',
    "the same twice": json.dumps([FILES, FILES]),
    "a member twice": '[{"type": "report", "type": "files"}]',
    "too many": json.dumps([FILES | {"n": n} for n in range(9)]),
    "a giant": json.dumps([FILES | {"n": "x" * 3100}]),
    "nested deeply": '[{"type": "files", "n": ' + "[" * 40 + "]" * 40 + "}]",
    "an array that is closed early": '[{"type": "files"}], "x": [1]',
    "a number without end": '[{"type": "files", "n": 1e999}]',
}


@pytest.mark.rfc("9396 §2/1")
@pytest.mark.rfc("9396 §5/1")
@pytest.mark.rfc("9396 §5/2")
@pytest.mark.rfc("9396 §5/3")
@pytest.mark.rfc("9396 §5/4")
@pytest.mark.rfc("9396 §5/5")
@pytest.mark.rfc("9396 §8")
@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_what_is_malformed_unknown_or_too_much_is_refused_everywhere(oauth, ada, app, text):
    await ada.goes_to("/authorize", **asking(authorization_details=text))
    assert error_of(ada) == "invalid_authorization_details"
    robot = await oauth.machine(authorization_details_types=ALL)
    refused(await oauth.token(robot, "client_credentials", authorization_details=text), "invalid_authorization_details")


@pytest.mark.rfc("9396 §2/2")
@pytest.mark.rfc("9396 §12/1")
async def test_types_and_values_are_compared_as_they_are(oauth, ada, app):
    for other in ("Payment", "payment ", "paymen\u0074\u200b", "p\u0430yment", "PAYMENT", "pay\u00adment"):
        await ada.goes_to("/authorize", **having(PAYMENT | {"type": other}))
        assert error_of(ada) == "invalid_authorization_details", other
    await ada.goes_to("/authorize", **having(PAYMENT | {"actions": ["Initiate"]}))
    assert error_of(ada) == "invalid_authorization_details"
    composed, apart = {"type": "files", "n": "\u00e9"}, {"type": "files", "n": "e\u0301"}
    await allows(ada, **having(composed))
    await ada.goes_to("/authorize", **having(apart))
    assert ada.sees("allow", "deny"), "two spellings of one letter are two values"


@pytest.mark.rfc("9396 §3.1/1")
@pytest.mark.rfc("9396 §3.1/2")
async def test_scopes_and_details_are_shown_on_one_page_and_granted_together(oauth, ada, app):
    await ada.goes_to("/authorize", **having(PAYMENT, FILES, scope="openid email"))
    await ada.logs_in()
    for words in ("email", "Pay a bill", "Merchant A", "Use your files"):
        assert words in ada.page.said.lower() or words in ada.page.said
    await ada.press("allow")
    answer = (await exchange(oauth, app, ada.told["code"])).json()
    assert set(answer["scope"].split()) == {"openid", "email"}
    assert answer["authorization_details"] == [PAYMENT, FILES]


async def test_a_parameter_that_comes_twice_is_refused(oauth, ada, app):
    await ada.goes_to("/authorize", **asking(authorization_details=[json.dumps([FILES]), json.dumps([PAYMENT])]))
    assert ada.answer.status_code == 400


@pytest.mark.rfc("9396 §10/2")
async def test_a_client_gets_only_the_types_that_it_registered(oauth, ada):
    await oauth.client("modest", authorization_details_types=["files"])
    await oauth.client("silent")
    await ada.goes_to("/authorize", **having(PAYMENT, client_id="modest"))
    assert error_of(ada) == "invalid_authorization_details"
    await ada.goes_to("/authorize", **having(FILES, client_id="silent"))
    assert error_of(ada) == "invalid_authorization_details"


@pytest.mark.rfc("9396 §12/2")
async def test_markup_and_tricks_of_direction_are_shown_as_text(oauth, ada, app):
    evil = {"type": "files", "<b>x</b>": "<script>alert(1)</script>", "n": {"k": "\u202egnp.exe\u200b"}}
    await ada.goes_to("/authorize", **having(evil))
    await ada.logs_in()
    page = ada.answer.text
    assert "<script>alert" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert "\u200b" not in page
    assert ada.sees("allow")


@pytest.mark.rfc("9396 §6")
async def test_a_client_gets_for_itself_only_what_needs_no_person(oauth):
    robot = await oauth.machine(authorization_details_types=ALL)
    report = {"type": "report", "locations": [API], "n": 1}
    answer = await oauth.token(robot, "client_credentials", authorization_details=json.dumps([report]))
    assert answer.json()["authorization_details"] == [report]
    assert said(answer.json()["access_token"])["aud"] == API
    refused(
        await oauth.token(robot, "client_credentials", authorization_details=json.dumps([FILES])),
        "invalid_authorization_details",
    )


async def test_a_device_shows_its_person_what_it_will_have(oauth, ada):
    grant = str(GrantType.DEVICE_CODE)
    tv = await oauth.client(
        "tv",
        token_endpoint_auth_method="none",
        grant_types=[grant],
        redirect_uris=[],
        authorization_details_types=["payment"],
    )
    text = json.dumps([PAYMENT])
    codes = (await oauth.post("/device_authorization", tv, authorization_details=text, resource=API)).json()
    await (await ada.goes_to("/device")).fill(**{"user-code": codes["user_code"]}).press("go-on")
    await ada.logs_in()
    assert "Pay a bill" in ada.page.said
    assert "Merchant A" in ada.page.said
    await ada.press("allow")
    more = json.dumps([PAYMENT | {"to": "Mallory"}])
    refused(
        await oauth.token(tv, grant, device_code=codes["device_code"], authorization_details=more),
        "invalid_authorization_details",
    )
    refused(await oauth.token(tv, grant, device_code=codes["device_code"], resource=OTHER), "invalid_target")
    answer = (await oauth.token(tv, grant, device_code=codes["device_code"], resource=BANK)).json()
    assert said(answer["access_token"])["authorization_details"] == [PAYMENT]
    assert said(answer["access_token"])["aud"] == BANK, "for less than the two that were allowed"


async def test_details_are_not_exchanged(oauth):
    service = await oauth.client(
        "service",
        grant_types=[str(GrantType.TOKEN_EXCHANGE)],
        redirect_uris=[],
        settings=ClientSettings(exchange=True),
        authorization_details_types=ALL,
    )
    asked = await oauth.token(service, str(GrantType.TOKEN_EXCHANGE), authorization_details=json.dumps([FILES]))
    refused(asked, "invalid_authorization_details")


@pytest.mark.rfc("9396 §10/1")
async def test_discovery_lists_the_types(oauth):
    members = (await oauth.http.get(f"{ISSUER}/.well-known/oauth-authorization-server")).json()
    assert members["authorization_details_types_supported"] == ALL
