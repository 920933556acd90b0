"""What a signer may say, what a verifier asks, keys that rotate, and sessions that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from watchword import Revocations, RevocationViewStale
from watchword.jose import Key, KeySet
from watchword.signedurl import MemorySingleUse, SignedUrls, UrlReason, UrlRejected, UrlRequest
from watchword.testing import FakeClock, FakeIssuer

ORIGIN = "https://media.example.com"
NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture(params=["HS256", "Ed25519"])
def key(request) -> Key:
    return Key.generate(request.param, kid="k1")


@pytest.fixture
def urls(key, clock) -> SignedUrls:
    return SignedUrls(key, origin=ORIGIN, clock=clock, single_use=MemorySingleUse(clock=clock))


def request(url: str, method: str = "GET", **members) -> UrlRequest:
    assert url.startswith(ORIGIN)
    return UrlRequest(method, url[len(ORIGIN) :], **members)


def reason(urls: SignedUrls, asked: UrlRequest) -> UrlReason:
    with pytest.raises(UrlRejected) as refused:
        urls.verify(asked)
    return refused.value.reason


def test_a_plain_url_is_good_until_the_very_second_it_expires(urls, clock):
    url = urls.sign("/films/1.mp4?quality=high", 600)
    verified = urls.verify(request(url, host="media.example.com"))
    assert (verified.path, verified.target) == ("/films/1.mp4", "/films/1.mp4?quality=high")
    assert verified.expires_at == NOW + 600
    clock.advance(599)
    urls.verify(request(url))
    clock.advance(1)
    assert reason(urls, request(url)) == "expired"


@pytest.mark.parametrize(
    "expires",
    [60, 60.0, timedelta(minutes=1), datetime.fromtimestamp(NOW + 60, UTC)],
    ids=["int", "float", "delta", "instant"],
)
def test_expiry_is_said_in_seconds_from_now_or_as_an_instant(urls, expires):
    assert urls.verify(request(urls.sign("/a", expires))).expires_at == NOW + 60


@pytest.mark.parametrize("expires", [0, -1, 0.5, 7 * 86_400 + 1, 10**12, datetime.fromtimestamp(NOW - 1, UTC)])
def test_an_expiry_in_the_past_or_too_far_is_not_signed(urls, expires):
    with pytest.raises(ValueError, match="expires"):
        urls.sign("/a", expires)


def test_an_instant_without_time_zone_is_not_guessed_at(urls):
    with pytest.raises(ValueError, match="time zone"):
        urls.sign("/a", datetime(2027, 1, 15, 9))  # noqa: DTZ001 - that is the point


def test_a_signer_that_promises_too_much_is_not_believed(key, clock, urls):
    generous = SignedUrls(key, origin=ORIGIN, clock=clock, max_lifetime=10**9)
    assert reason(urls, request(generous.sign("/a", 30 * 86_400))) == "lifetime"


def test_leeway_is_granted_on_both_ends(key, clock):
    lenient = SignedUrls(key, origin=ORIGIN, clock=clock, leeway=10)
    later = datetime.fromtimestamp(NOW + 20, UTC)
    url = lenient.sign("/a", 60, not_before=later)
    assert reason(lenient, request(url)) == "not_yet_valid"
    clock.advance(10)
    lenient.verify(request(url))
    clock.advance(59)
    lenient.verify(request(url))
    clock.advance(1)
    assert reason(lenient, request(url)) == "expired"


@pytest.mark.parametrize(
    "url",
    [
        "films/1.mp4",
        "",
        "//evil.example/a",
        "/a b",
        "/a#part",
        "/a\\b",
        "/café",
        "/a\n",
        "/a/../b",
        "/a/%2e%2E/b",
        "/./a",
        "/inbox/..%2Fother",
        "/inbox/x%2f%2e%2e%2fother",
        "/inbox/..%5Cother",
        "/inbox/..;x/other",
        "/inbox/..%3B%2Fother",
        "/inbox/ww%3Dx/other",
        "/inbox/%57W=x/other",
        "/inbox/x%2Fww=y%2Fother",
        "/a?ww=1",
        "/a?%77w=1",
        "/ww=1/a",
        "/" + "x" * 8192,
        "https://evil.example/a",
        "http://media.example.com/a",
        "https://media.example.com:444/a",
        "https://user@media.example.com/a",
        "https://media.example.com.evil.example/a",
        "ftp://media.example.com/a",
    ],
)
def test_what_clients_would_send_otherwise_than_it_was_signed_is_not_signed(urls, url):
    with pytest.raises(ValueError, match=r"URL|path|origin|signed"):
        urls.sign(url, 60)


@pytest.mark.parametrize("url", ["https://media.example.com", "https://media.example.com/", "/"])
def test_an_absolute_url_of_the_origin_is_signed_as_its_path(urls, url):
    assert urls.verify(request(urls.sign(url, 60))).path == "/"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "media.example.com",
        "https://media.example.com/",
        "https://Media.example.com",
        "https://media.example.com:443",
        "http://h:80",
        "https://u@h",
        "https://h\n",
        "ftp://h",
    ],
)
def test_an_origin_has_one_spelling(key, origin):
    with pytest.raises(ValueError, match="origin"):
        SignedUrls(key, origin=origin)


@pytest.mark.parametrize(
    "origin", ["http://media.example.com", "https://media.example.com:8443", "https://cdn.example.com"]
)
def test_another_scheme_port_or_host_is_another_origin(key, clock, urls, origin):
    elsewhere = SignedUrls(key, origin=origin, clock=clock)
    target = elsewhere.sign("/a", 60)[len(origin) :]
    assert reason(urls, UrlRequest("GET", target)) == "bad_signature"


@pytest.mark.parametrize("host", ["media.example.com", "MEDIA.example.com", "media.example.com:443"])
def test_the_host_may_be_spelled_as_clients_spell_it(urls, host):
    urls.verify(request(urls.sign("/a", 60), host=host))


def test_a_prefix_opens_all_below_it_and_nothing_beside(urls):
    url = urls.sign("/films/1/index.m3u8", 60, prefix="/films/1/")
    assert urls.verify(request(url)).path == "/films/1/index.m3u8"
    assert urls.verify(request(url.replace("index.m3u8", "audio/7%20b.m4s"))).path == "/films/1/audio/7%20b.m4s"
    assert reason(urls, request(url.replace("/films/1/", "/films/10/"))) == "path"
    # The same signature, carried by the query.
    query = urls.sign("/films/1/index.m3u8", 60, prefix="/films/1/", in_path=False)
    assert query.endswith(url.partition("/ww=")[2].partition("/")[0])
    assert urls.verify(request(query)).target == "/films/1/index.m3u8"


@pytest.mark.parametrize("prefix", ["/films/1", "films/", "/films/?x=1", "/films/../", "//films/", ""])
def test_a_prefix_is_whole_segments(urls, prefix):
    with pytest.raises(ValueError, match=r"prefix|path|URL"):
        urls.sign("/films/1/a", 60, prefix=prefix)


def test_what_lies_outside_its_prefix_is_not_signed_nor_a_path_without_one(urls):
    with pytest.raises(UrlRejected):
        urls.sign("/films/2/a", 60, prefix="/films/1/")
    with pytest.raises(ValueError, match="prefix"):
        urls.sign("/films/2/a", 60, in_path=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "put"},
        {"method": "PUT\n"},
        {"content_type": "image/png; q=1"},
        {"content_type": "png"},
        {"content_length": -1},
        {"content_length": (5, 4)},
        {"clients": ["192.0.2.7/24"]},
        {"clients": ["here"]},
        {"query": "some"},
        {"query": ["x" * 300]},
        {"account": "a" * 3000},
    ],
)
def test_a_caveat_that_cannot_be_is_not_signed(urls, wrong):
    with pytest.raises(ValueError):
        urls.sign("/a", 60, **wrong)


def test_an_upload_is_bound_to_method_type_and_length(urls):
    url = urls.sign("/inbox/7", 60, method="PUT", content_type="Image/PNG", content_length=1000)
    urls.verify(request(url, "PUT", content_type="image/PNG; charset=binary", content_length=1000))
    assert reason(urls, request(url, "POST")) == "method"
    assert reason(urls, request(url, "PUT", content_type="image/png", content_length=1001)) == "content"


def test_client_networks_hold_for_mapped_addresses_too(urls):
    url = urls.sign("/a", 60, clients=["192.0.2.0/24", "2001:db8::1"])
    for client in ("192.0.2.255", "::ffff:192.0.2.1", "2001:db8::1"):
        urls.verify(request(url, client=client))
    for client in ("192.0.3.0", "2001:db8::2", "", "localhost", None):
        assert reason(urls, request(url, client=client)) == "client"


def test_a_url_of_one_account_is_not_presented_by_another(key, clock):
    issuer = FakeIssuer(clock=clock)
    urls = SignedUrls(key, origin=ORIGIN, clock=clock, cut_offs=issuer.view)
    url = urls.sign("/a", 60, account="ada")
    assert urls.verify(request(url, account="ada")).sub == "ada"
    assert urls.verify(request(url)).sub == "ada"
    assert reason(urls, request(url, account="bob")) == "account"


@pytest.fixture
def issuer(clock) -> FakeIssuer:
    return FakeIssuer(clock=clock)


@pytest.fixture
def bound(key, clock, issuer) -> SignedUrls:
    return SignedUrls(key, origin=ORIGIN, clock=clock, cut_offs=issuer.verifier())


@pytest.mark.parametrize(
    ("axis", "value"),
    [("session", "session-ada"), ("account", "ada"), ("client", "first-party"), ("everything", ""), ("key", "k1")],
)
def test_a_url_bound_to_a_session_dies_with_it(bound, issuer, axis, value):
    token = issuer.verifier().verify_now(issuer.token("ada"))
    url = bound.sign("/films/1/1.m4s", 600, prefix="/films/1/", session=token)
    assert bound.verify(request(url)).sid == "session-ada"
    issuer.cut_off(axis, value)
    assert reason(bound, request(url.replace("1.m4s", "2.m4s"))) == "revoked"


def test_a_url_of_another_session_or_signed_after_the_cut_off_lives(bound, issuer):
    other = bound.sign("/a", 600, session=issuer.verifier().verify_now(issuer.token("ada", sid="other")))
    issuer.cut_off("session", "session-ada")
    issuer.cut_off("account", "bob")
    assert bound.verify(request(other)).sid == "other"
    after = bound.sign("/a", 600, session=issuer.verifier().verify_now(issuer.token("bob")))
    assert bound.verify(request(after)).sub == "bob"


def test_a_url_with_a_name_is_cut_off_by_it(bound, issuer):
    url = bound.sign("/a", 600, name="link-7")
    bound.verify(request(url))
    issuer.cut_off("token", "link-7")
    assert reason(bound, request(url)) == "revoked"


def test_a_verifier_that_cannot_learn_of_ends_refuses_what_can_end(urls, bound, issuer):
    url = bound.sign("/a", 600, session=issuer.verifier().verify_now(issuer.token()))
    assert reason(urls, request(url)) == "unrevocable"


def test_a_view_too_old_is_not_believed(key, clock, issuer):
    verifier = issuer.sync_verifier(
        revocations=Revocations(max_staleness=5, poll_interval=0.1), transport=issuer.transport, clock=clock
    )
    urls = SignedUrls(key, origin=ORIGIN, clock=clock, cut_offs=verifier)
    url = urls.sign("/a", 600, session=issuer.verifier().verify_now(issuer.token()))
    with pytest.raises(RevocationViewStale):
        urls.verify(request(url))
    with verifier:
        urls.verify(request(url))
    clock.advance(6)
    with pytest.raises(RevocationViewStale):
        urls.verify(request(url))


def test_what_is_bound_may_not_outlive_the_cut_offs(key, clock, bound, issuer):
    token = issuer.verifier().verify_now(issuer.token())
    with pytest.raises(ValueError, match="max_bound_lifetime"):
        bound.sign("/a", 3601, session=token)
    generous = SignedUrls(key, origin=ORIGIN, clock=clock, max_bound_lifetime=86_400)
    url = generous.sign("/a", 7200, session=token)
    assert reason(bound, request(url)) == "lifetime"
    clock.advance(7000)  # and not in its last hour either
    assert reason(bound, request(url)) == "lifetime"


def test_good_once_is_good_once(urls):
    url = urls.sign("/report.pdf", 60, once=True)
    urls.check(request(url))
    assert urls.verify(request(url)).jti
    assert reason(urls, request(url)) == "spent"
    assert urls.sign("/report.pdf", 60, once=True) != url


async def test_good_once_is_good_once_where_counting_is_awaited(key, clock):
    class Counter:
        def __init__(self):
            self.known = set()

        async def spend(self, name, until):
            assert until > NOW + 60
            new = name not in self.known
            self.known.add(name)
            return new

    urls = SignedUrls(key, origin=ORIGIN, clock=clock, single_use=Counter())
    url = urls.sign("/report.pdf", 60, once=True)
    await urls.verify_async(request(url))
    with pytest.raises(UrlRejected, match="spent"):
        await urls.verify_async(request(url))


def test_good_once_is_not_good_at_all_where_nobody_counts(key, clock):
    urls = SignedUrls(key, origin=ORIGIN, clock=clock)
    assert reason(urls, request(urls.sign("/a", 60, once=True))) == "spent"


def test_a_url_that_is_refused_otherwise_is_not_spent(urls):
    url = urls.sign("/a", 60, once=True, clients=["192.0.2.7"])
    assert reason(urls, request(url, client="192.0.2.8")) == "client"
    urls.verify(request(url, client="192.0.2.7"))


def test_keys_rotate_without_breaking_links(clock):
    old, new = Key.generate("HS256", kid="old"), Key.generate("Ed25519", kid="new")
    urls = SignedUrls([old], origin=ORIGIN, clock=clock)
    first = urls.sign("/a", 600)
    urls.replace_keys([new, old])
    second = urls.sign("/a", 600)
    assert (urls.verify(request(first)).kid, urls.verify(request(second)).kid) == ("old", "new")
    urls.replace_keys([new])
    assert reason(urls, request(first)) == "unknown_key"
    assert urls.verify(request(second)).kid == "new"


def test_a_published_key_set_is_followed_and_foreign_keys_in_it_are_passed_over(clock):
    private = Key.generate("Ed25519", kid="url-1")

    class Source:
        keys = KeySet([Key.generate("ES256"), private.public()])

        def current(self):
            return self.keys

    source = Source()
    signer = SignedUrls(private, origin=ORIGIN, clock=clock)
    edge = SignedUrls(source, origin=ORIGIN, clock=clock)
    url = signer.sign("/a", 60)
    assert edge.verify(request(url)).kid == "url-1"
    with pytest.raises(ValueError, match="sign"):
        edge.sign("/a", 60)
    source.keys = KeySet([])
    assert reason(edge, request(url)) == "unknown_key"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [Key.generate("ES256", kid="a")],
        [Key.from_secret(bytes(32), "HS256")],
        [Key.generate("HS256", kid="a.b")],
        [Key.generate("HS256", kid="a"), Key.generate("HS256", kid="a")],
        [Key.generate("HS256", kid="k" * 65)],
    ],
    ids=["none", "of another algorithm", "nameless", "with a dot", "twice the same name", "of a long name"],
)
def test_keys_that_cannot_be_are_refused(keys):
    with pytest.raises(ValueError, match="key"):
        SignedUrls(keys, origin=ORIGIN)


@pytest.mark.parametrize(
    "options", [{"leeway": -1}, {"leeway": 301}, {"max_lifetime": 0}, {"max_bound_lifetime": 10**9}]
)
def test_settings_that_cannot_be_are_refused(key, options):
    with pytest.raises(ValueError, match="bounds"):
        SignedUrls(key, origin=ORIGIN, **options)


def test_neither_the_key_nor_the_url_is_in_what_is_raised(urls):
    with pytest.raises(UrlRejected) as refused:
        urls.verify(UrlRequest("GET", "/secret-place?ww=1.k1.1800000600..c2VjcmV0"))
    assert "secret" not in f"{refused.value} {refused.value!r}"
    with pytest.raises(ValueError) as wrong:
        urls.sign("https://evil.example/secret-place", 60)
    assert "secret" not in str(wrong.value)
