"""Who an account is to a client, and what may be told of a person."""

import msgspec
import pytest
from watchword.jose.half_hash import half_hash
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer, verify
from watchword_server.clients.metadata import Client, ClientMetadata
from watchword_server.store.records import Account
from watchword_server.tokens.id_token import Authentication, IdTokens
from watchword_server.tokens.person import asked_claims, scope_claims
from watchword_server.tokens.subjects import Subjects, sector

SECRET = bytes(range(32))
ADA = Account(
    id="01ada", email="ada@example.test", username=None, roles=(), permissions=(), tenant=None, email_verified=True,
    created_at=0.0, password_changed_at=0.0, disabled_at=None,
)  # fmt: skip
PROFILE = msgspec.json.encode(
    {"name": "Ada", "phone_number": "+43", "address": {}, "secret_note": "x", "email": "forged"}
)


def client(client_id: str = "app", **metadata) -> Client:
    return Client(client_id=client_id, source="configuration", metadata=ClientMetadata(**metadata))


def test_a_public_subject_is_the_account():
    assert Subjects(SECRET).of(client(), "01ada") == "01ada"


@pytest.mark.rfc("openid-core §8.1/1")
def test_a_pairwise_subject_is_the_same_for_a_sector_and_another_elsewhere():
    subjects = Subjects(SECRET)
    one = client("one", subject_type="pairwise", redirect_uris=("https://a.test/cb",))
    same = client("same", subject_type="pairwise", redirect_uris=("https://a.test/other",))
    other = client("other", subject_type="pairwise", redirect_uris=("https://b.test/cb",))
    by_uri = client("by-uri", subject_type="pairwise", sector_identifier_uri="https://a.test/sector.json")
    assert subjects.of(one, "x") == subjects.of(same, "x") == subjects.of(by_uri, "x")
    assert len({subjects.of(one, "x"), subjects.of(other, "x"), subjects.of(one, "y"), "x"}) == 4
    assert subjects.of(one, "x") != Subjects(bytes(32)).of(one, "x")
    assert sector(client("bare", subject_type="pairwise")) == "bare"


def test_the_secret_of_subjects_is_long_and_is_not_shown():
    with pytest.raises(ValueError, match="32 bytes"):
        Subjects(b"short")
    assert SECRET.hex() not in repr(Subjects(SECRET))


def test_scopes_open_their_claims_and_nothing_that_is_not_held():
    assert scope_claims(ADA, PROFILE, {"openid"}) == {}
    assert scope_claims(ADA, PROFILE, {"openid", "email"}) == {"email": "ada@example.test", "email_verified": True}
    assert scope_claims(ADA, PROFILE, {"profile", "address"}) == {"name": "Ada"}
    assert scope_claims(ADA, b"", {"profile", "phone"}) == {}


def test_a_name_that_is_no_standard_claim_opens_nothing():
    assert asked_claims(ADA, PROFILE, ["secret_note", "sub", "phone_number"]) == {"phone_number": "+43"}


class Signers:
    def __init__(self) -> None:
        self.keys = {name: Key.generate(name, name) for name in ("ES256", "EdDSA")}
        self.prepared: list[str] = []

    async def prepare(self, algorithm: str) -> None:
        self.prepared.append(algorithm)

    def signer_for(self, algorithm: str, typ: str) -> Signer:
        return Signer(self.keys[algorithm], algorithm=algorithm, typ=typ)


@pytest.mark.rfc("openid-core §2/1")
@pytest.mark.rfc("openid-core §3.1.3.6")
@pytest.mark.rfc("openid-discovery §3/2")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_an_id_token_names_what_it_came_with_and_cannot_be_made_to_lie(algorithm):
    signers = Signers()
    tokens = IdTokens(signers=signers, subjects=Subjects(SECRET), issuer="https://issuer.test", lifetime=300)
    seen = Authentication(account_id="01ada", sid="s", auth_time=900.5, amr=("pwd", "otp"), acr="2", now=1000.9)
    text = await tokens.issue(
        client(id_token_signed_response_alg=algorithm), seen, nonce="n", access_token="at", code="c",
        more={"email": "ada@example.test", "sub": "root", "iss": "evil", "aud": "other"},
    )  # fmt: skip
    verified = verify(text, signers.keys[algorithm], algorithms={algorithm})
    assert verified.header["typ"] == "JWT"
    assert msgspec.json.decode(verified.payload) == {
        "iss": "https://issuer.test", "sub": "01ada", "aud": "app", "azp": "app", "exp": 1300, "iat": 1000,
        "auth_time": 900, "sid": "s", "nonce": "n", "acr": "2", "amr": ["pwd", "otp"], "email": "ada@example.test",
        "at_hash": half_hash(algorithm, "at"), "c_hash": half_hash(algorithm, "c"),
    }  # fmt: skip
    assert signers.prepared == [algorithm]


async def test_an_id_token_says_nothing_of_what_is_not_known():
    tokens = IdTokens(signers=Signers(), subjects=Subjects(SECRET), issuer="https://issuer.test", lifetime=300)
    seen = Authentication(account_id="01ada", sid="s", auth_time=1.0, amr=(), acr=None, now=1000.0)
    text = await tokens.issue(client(id_token_signed_response_alg="ES256"), seen)
    from watchword.jose import base64url

    said = msgspec.json.decode(base64url.decode(text.split(".")[1]))
    assert not said.keys() & {"nonce", "acr", "amr", "at_hash", "c_hash"}


@pytest.mark.rfc("openid-core §8.1/1")
@pytest.mark.parametrize(
    "more",
    [
        {"redirect_uris": ("com.evil.app://victim.example/cb",), "application_type": "native"},
        {"redirect_uris": ("http://localhost/cb",), "application_type": "native"},
        {"redirect_uris": ("http://127.0.0.1/cb",), "application_type": "native"},
        {"redirect_uris": ("https://victim.example/cb",), "grant_types": ("urn:ietf:params:oauth:grant-type:device_code",)},
        {"redirect_uris": ("https://victim.example/cb", "https://evil.example/cb")},
    ],
)  # fmt: skip
def test_attack_correlation_a_client_that_shows_nothing_of_a_host_is_not_of_its_sector(more):
    victim = client("victim", subject_type="pairwise", redirect_uris=("https://victim.example/callback",))
    assert sector(victim) == "victim.example"
    assert sector(client("evil", subject_type="pairwise", **more)) == "evil"
