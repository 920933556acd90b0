"""Each network's form against its vendor's published examples, its vendor's own library, or its own words."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from watchword.jose import Key
from watchword.signedurl.cdn import (
    AkamaiEdgeAuth,
    CloudflareToken,
    CloudFront,
    FastlyToken,
    GoogleCloudCdn,
    NginxSecureLink,
    S3Presigned,
)
from watchword.testing import FakeClock

VECTORS = Path(__file__).parents[3] / "vectors/signed-urls"
KEY = bytes(range(32))
RSA = Key.generate("RS256")
AT = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://d111111abcdef8.cloudfront.net/image.jpg?color=red&size=medium"


@pytest.fixture
def clock():
    return FakeClock(AT.timestamp())


# Google's own samples (GoogleCloudPlatform, cdn: sign_url and sign_url_prefix) with the key they publish.
GOOGLE = GoogleCloudCdn(urlsafe_b64decode("nZtRohdNF9m3cKM24IcK4w=="), "my-key")


@pytest.mark.parametrize(
    ("url", "expires", "signed"),
    [
        (
            "http://35.186.234.33/index.html",
            1558131350,
            "?Expires=1558131350&KeyName=my-key&Signature=fm6JZSmKNsB5sys8VGr-JE4LiiE=",
        ),
        (
            "https://www.google.com/",
            1549751401,
            "?Expires=1549751401&KeyName=my-key&Signature=M_QO7BGHi2sGqrJO-MDr0uhDFuc=",
        ),
        (
            "https://www.example.com/some/path?some=query&another=param",
            1549751461,
            "&Expires=1549751461&KeyName=my-key&Signature=sTqqGX5hUJmlRJ84koAIhWW_c3M=",
        ),
    ],
)
def test_google_signs_as_its_samples_do(url, expires, signed):
    assert GOOGLE.sign(url, datetime.fromtimestamp(expires, UTC)) == url + signed


def test_google_signs_a_prefix_as_its_sample_does():
    url = GOOGLE.sign_prefix(
        "http://35.186.234.33/index.html", datetime.fromtimestamp(1549751401, UTC), prefix="http://35.186.234.33/"
    )
    assert url == (
        "http://35.186.234.33/index.html?URLPrefix=aHR0cDovLzM1LjE4Ni4yMzQuMzMv&Expires=1549751401&KeyName=my-key"
        "&Signature=j7HYgoQ8dIOVsW3Rw4cpkjWfRMA="
    )
    with pytest.raises(ValueError, match="prefix"):
        GOOGLE.sign_prefix("http://a.test/x", 60, prefix="http://b.test/")


AKAMAI = json.loads((VECTORS / "akamai.json").read_text())


@pytest.mark.parametrize("made", AKAMAI["tokens"])
def test_akamai_makes_the_tokens_its_own_library_makes(made):
    options = made["options"]
    signer = AkamaiEdgeAuth(
        bytes.fromhex(AKAMAI["key"]), salt=options.get("salt"), escape_early=options.get("escape_early", False)
    )
    value = made["value"]
    begins = options.get("start_time")
    token = (
        signer.token(
            datetime.fromtimestamp(options["end_time"], UTC),
            path=value if made["kind"] == "url" else None,
            acl=() if made["kind"] == "url" else [value] if isinstance(value, str) else value,
            not_before=None if begins is None else datetime.fromtimestamp(begins, UTC),
            client=options.get("ip"),
            session=options.get("session_id"),
            data=options.get("payload"),
        )
        if " " not in options.get("session_id", "")
        else None
    )
    if token is None:
        # Theirs lets white space into a field where it is escaped; ours takes none at all.
        with pytest.raises(ValueError, match="white space"):
            signer.token(60, acl=[value], session=options["session_id"])
    else:
        assert token == made["token"]


def test_akamai_refuses_what_would_end_a_field(clock):
    signer = AkamaiEdgeAuth(KEY, clock=clock)
    for wrong in ({"acl": ["/a~exp=9999999999"]}, {"acl": ["/a!/*"]}, {"acl": "/a"}, {}, {"path": "/a", "acl": ["/b"]}):
        with pytest.raises(ValueError, match=r"token|tilde"):
            signer.token(60, **wrong)
    assert signer.sign("https://a.test/x?y=1", 60).startswith("https://a.test/x?y=1&hdnts=exp=")


class Botocore:
    """CloudFront's signer out of Amazon's own library, with our key."""

    def __init__(self):
        signers = pytest.importorskip("botocore.signers")
        self.signer = signers.CloudFrontSigner("K2JCJMDEHXQW5F", RSA.signers["RS256"])

    def sign(self, url, **policy):
        return self.signer.generate_presigned_url(url, **policy)


def test_cloudfront_signs_a_canned_policy_as_amazons_library_does(clock):
    theirs = Botocore().sign(URL, date_less_than=AT)
    ours = CloudFront(RSA, "K2JCJMDEHXQW5F", FakeClock(AT.timestamp() - 60)).sign(URL, AT)
    assert ours == theirs + "&Hash-Algorithm=SHA256"


def test_cloudfront_signs_a_custom_policy_as_amazons_library_does():
    botocore = Botocore()
    begins = datetime(2025, 12, 31, tzinfo=UTC)
    policy = botocore.signer.build_policy(
        "https://d111111abcdef8.cloudfront.net/*", AT, date_greater_than=begins, ip_address="192.0.2.0/24"
    )
    theirs = botocore.sign(URL, policy=policy)
    ours = CloudFront(RSA, "K2JCJMDEHXQW5F").sign_policy(
        URL, AT, resource="https://d111111abcdef8.cloudfront.net/*", not_before=begins, client="192.0.2.0/24"
    )
    theirs_said, ours_said = parse_qs(urlsplit(theirs).query), parse_qs(urlsplit(ours).query)
    decode = lambda text: json.loads(b64decode(text[0].translate(str.maketrans("-_~", "+=/"))))  # noqa: E731
    assert decode(ours_said["Policy"]) == decode(theirs_said["Policy"])
    raw = b64decode(ours_said["Policy"][0].translate(str.maketrans("-_~", "+=/")))
    signature = b64decode(ours_said["Signature"][0].translate(str.maketrans("-_~", "+=/")))
    assert RSA.verifiers["RS256"](signature, raw)
    assert ours_said["Hash-Algorithm"] == ["SHA256"]


def test_cloudfront_asks_for_an_rsa_key():
    with pytest.raises(ValueError, match="RSA"):
        CloudFront(Key.generate("ES256"), "K")


def test_fastly_signs_path_query_and_expiry_as_its_guide_says(clock):
    key = b64decode("iqFPeN2u+Z0Lm5IrsKaOFKRqEU5Gw8ePtaEkHZWuD24=")
    url = FastlyToken(key, clock=clock).sign("https://www.example.com/foo/bar.html?x=1", 60)
    ends, _, mac = parse_qs(urlsplit(url).query)["token"][0].partition("_")
    assert int(ends) == clock.now() + 60
    assert mac == hmac.new(key, f"/foo/bar.html?x=1{ends}".encode(), hashlib.sha1).hexdigest()


def test_cloudflare_signs_path_and_time_of_issue_as_its_guide_says(clock):
    url = CloudflareToken(b"mysecrettoken-and-more", clock=clock).sign("https://downloads.example.com/images/cat.jpg")
    head, _, mac = url.partition("-")
    assert head == f"https://downloads.example.com/images/cat.jpg?verify={int(clock.now())}"
    message = f"/images/cat.jpg{int(clock.now())}".encode()
    assert unquote(mac) == b64encode(hmac.new(b"mysecrettoken-and-more", message, hashlib.sha256).digest()).decode()
    assert not set("+/=") & set(mac)
    with pytest.raises(ValueError, match="query"):
        CloudflareToken(KEY).sign("https://a.test/x?y=1")


def test_secure_link_makes_what_nginx_documents():
    # ngx_http_secure_link_module: md5("2147483647/s/link127.0.0.1 secret") is _e4Nc3iduzkWRm01TBBNYw; ours with a longer secret.
    known = hashlib.md5(b"2147483647/s/link127.0.0.1 secret", usedforsecurity=False).digest()
    assert b64encode(known, b"-_").rstrip(b"=") == b"_e4Nc3iduzkWRm01TBBNYw"
    signer = NginxSecureLink("a secret of enough characters", FakeClock(2147483647.0 - 60))
    url = signer.sign("https://a.test/s/link", 60, client="127.0.0.1")
    text = b"2147483647/s/link127.0.0.1 a secret of enough characters"
    expected = b64encode(hashlib.md5(text, usedforsecurity=False).digest(), b"-_").rstrip(b"=").decode()
    assert url == f"https://a.test/s/link?md5={expected}&expires=2147483647"


def s3_client():
    session = pytest.importorskip("botocore.session").get_session()
    session.set_credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    config = pytest.importorskip("botocore.config").Config(signature_version="s3v4")
    return session.create_client("s3", region_name="eu-central-1", config=config)


def test_s3_is_signed_by_amazons_library():
    urls = S3Presigned(s3_client(), "films")
    said = parse_qs(urlsplit(urls.sign("1/movie.mp4", 600)).query)
    assert (said["X-Amz-Expires"], said["X-Amz-Algorithm"]) == (["600"], ["AWS4-HMAC-SHA256"])
    upload = urls.sign("1/new.png", 600, method="PUT", content_type="image/png", content_length=10)
    assert parse_qs(urlsplit(upload).query)["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    for wrong in (
        {"expires": 0},
        {"expires": 8 * 86_400},
        {"expires": 60, "method": "DELETE"},
        {"expires": 60, "content_type": "a/b"},
    ):
        with pytest.raises(ValueError, match="S3"):
            urls.sign("1", **wrong)


SIGNERS = [
    lambda url: CloudFront(RSA, "K").sign(url, 60),
    lambda url: GoogleCloudCdn(KEY[:16], "k").sign(url, 60),
    lambda url: AkamaiEdgeAuth(KEY).sign(url, 60),
    lambda url: FastlyToken(KEY).sign(url, 60),
    lambda url: CloudflareToken(KEY).sign(url),
    lambda url: NginxSecureLink("x" * 16).sign(url, 60),
]


@pytest.mark.parametrize("sign", SIGNERS, ids=["cloudfront", "google", "akamai", "fastly", "cloudflare", "secure_link"])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "ftp://h/a",
        "https://u@h/a",
        "https://h/a#b",
        "https://h/a b",
        "https://h/\n",
        "https://h/é",
        "https://h/" + "x" * 9000,
    ],
)
def test_what_clients_would_send_otherwise_is_not_signed(sign, url):
    with pytest.raises(ValueError, match="URL"):
        sign(url)


def test_what_is_signed_already_is_not_signed_again():
    for sign in (SIGNERS[0], SIGNERS[1], SIGNERS[2], SIGNERS[3], SIGNERS[5]):
        with pytest.raises(ValueError, match="already"):
            sign(sign("https://h.test/a"))


def test_no_secret_is_in_a_repr():
    held = [
        GoogleCloudCdn(KEY[:16], "k"),
        AkamaiEdgeAuth(KEY, salt="pepper"),
        FastlyToken(KEY),
        CloudflareToken(KEY),
        NginxSecureLink("pepper" * 4),
    ]
    for signer in held:
        assert "pepper" not in repr(signer)
        assert "\\x01" not in repr(signer)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GoogleCloudCdn(KEY, "k"),
        lambda: GoogleCloudCdn(KEY[:16], "k&x"),
        lambda: AkamaiEdgeAuth(b"short"),
        lambda: FastlyToken(b"short"),
        lambda: CloudflareToken(b"short"),
        lambda: NginxSecureLink("short"),
    ],
)
def test_keys_too_short_are_refused(make):
    with pytest.raises(ValueError):
        make()


def test_a_file_named_by_someone_else_does_not_become_a_wildcard_of_cloudfront():
    signer = CloudFront(RSA, "K")
    for url in ("https://d.example/inbox/*", "https://d.example/*?x=1", "https://d.example/a?x=*"):
        for sign in (signer.sign, signer.sign_policy):
            with pytest.raises(ValueError, match="wildcard"):
                sign(url, 60)
    assert signer.sign("https://d.example/inbox/%2A", 60).startswith("https://d.example/inbox/%2A?Expires=")
    assert "Policy=" in signer.sign_policy("https://d.example/a", 60, resource="https://d.example/*")


@pytest.mark.parametrize("path", ["/inbox/x~acl=/*", "/x~exp=9999999999", "/x~acl=%2f*~hmac=0"])
def test_a_file_named_by_someone_else_does_not_become_a_field_of_akamai(path):
    for signer in (AkamaiEdgeAuth(KEY), AkamaiEdgeAuth(KEY, escape_early=True)):
        with pytest.raises(ValueError, match="tilde"):
            signer.token(60, path=path)
        with pytest.raises(ValueError, match="tilde"):
            signer.sign(f"https://a.example{path}", 60)
    assert AkamaiEdgeAuth(KEY).token(60, path="/~ada/1=2")
