"""Redirect URIs: what may be registered, and that requests are compared character by character."""

import pytest
from watchword_server.clients.metadata import ClientMetadata
from watchword_server.clients.redirect_uris import redirect_uri_allowed, redirect_uri_fault

REGISTERED = ("https://app.example.test/callback", "https://app.example.test/callback?tenant=1")


@pytest.mark.rfc("8252 §7")
@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("https://app.example.test/callback", "web"),
        ("https://app.example.test", "web"),
        ("https://app.example.test:8443/cb?x=1", "web"),
        ("http://localhost:3000/cb", "native"),
        ("http://127.0.0.1/cb", "native"),
        ("http://[::1]:8080/cb", "native"),
        ("com.example.app:/callback", "native"),
        ("com.example.app://callback", "native"),
        ("https://xn--bcher-kva.example/cb", "web"),
    ],
)
def test_what_may_be_registered(uri, kind):
    assert redirect_uri_fault(uri, kind) is None


@pytest.mark.rfc("6749 §3.1.2")
@pytest.mark.rfc("9700 §2.6/1")
@pytest.mark.rfc("9700 §4.1.3")
@pytest.mark.parametrize(
    "uri",
    [
        "", "/callback", "//app.example.test/cb", "https:///cb", "https://", "app.example.test/cb",
        "http://app.example.test/cb", "http://127.0.0.1.example.test/cb", "http://localhost.example.test/cb",
        "https://app.example.test/cb#fragment", "https://app.example.test/cb#", "https://user@app.example.test/cb",
        "https://app.example.test\\@evil.test/cb", "https://app.example.test/../cb", "https://app.example.test/./cb",
        "https://*.example.test/cb", "https://APP.example.test/cb", "HTTPS://app.example.test/cb",
        "https://app.example.test/%zz", "https://app.example.test/c b", "https://app.example.test/\ncb",
        "https://bücher.example/cb", "https://app.example.test:0/cb", "https://app.example.test:99999/cb",
        "https://app.example.test:/cb", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd",
        "myapp:/cb", "com.example.app:/callback", "https://" + "a" * 2100,
    ],
)  # fmt: skip
def test_attack_redirect_uri_tricks_are_not_registered_by_web_clients(uri):
    assert redirect_uri_fault(uri, "web") is not None


@pytest.mark.rfc("9700 §2.6/3")
@pytest.mark.parametrize("uri", ["http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:8080/cb"])
def test_http_is_for_native_clients_and_who_says_nothing_is_one_by_being_answered_on_the_device(uri):
    site = "https://app.example.test/cb"
    assert redirect_uri_fault(uri, "web") is not None
    assert redirect_uri_fault(uri, "native") is None
    assert ClientMetadata(redirect_uris=(uri,)).kind == "native"
    assert ClientMetadata(redirect_uris=(site,), post_logout_redirect_uris=(uri,)).kind == "native"
    assert ClientMetadata(redirect_uris=(uri,), application_type="web").kind == "web"
    assert ClientMetadata(redirect_uris=(site, "com.example.app:/cb")).kind == "web"


@pytest.mark.rfc("8252 §8.4/2")
@pytest.mark.rfc("9700 §2.6/1")
@pytest.mark.parametrize("uri", ["myapp:/cb", "javascript:alert(1)//a.b", "http://192.0.2.1/cb", "intent:/a.b"])
def test_native_clients_are_not_free_either(uri):
    assert redirect_uri_fault(uri, "native") is not None


@pytest.mark.rfc("9700 §2.1/1")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.test/callback/", "https://app.example.test/callback/..%2fevil",
        "https://app.example.test/callback%20", "https://app.example.test/Callback",
        "https://app.example.test:443/callback", "https://app.example.test/callback?tenant=2",
        "https://app.example.test/callback?tenant=1&x=2", "https://app.example.test/callback?",
        "https://app.example.test/callback#", "https://app.example.test.evil.test/callback",
        "https://evil.test/callback", "http://app.example.test/callback", "https://app.example.test//callback",
        "https://user@app.example.test/callback", "https://app.example.test\t/callback", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["web", "native"])
def test_attack_redirect_uri_is_compared_character_by_character(uri, kind):
    assert all(redirect_uri_allowed(one, REGISTERED, kind) for one in REGISTERED)
    assert not redirect_uri_allowed(uri, REGISTERED, kind)


@pytest.mark.rfc("8252 §7.3")
def test_a_native_application_takes_any_port_of_a_loopback_address():
    registered = ("http://127.0.0.1/cb", "http://[::1]:1/cb?x=1")
    assert redirect_uri_allowed("http://127.0.0.1:51004/cb", registered, "native")
    assert redirect_uri_allowed("http://[::1]:51004/cb?x=1", registered, "native")
    for uri in (
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2:51004/cb",
        "http://localhost:51004/cb",
        "http://[::1]:51004/cb",
        "http://127.0.0.1:51004@evil.test/cb",
        "http://127.0.0.1:99999/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/cb#x",
    ):
        assert not redirect_uri_allowed(uri, registered, "native")
    assert not redirect_uri_allowed("http://127.0.0.1:51004/cb", registered, "web")
    assert not redirect_uri_allowed("http://localhost:5/cb", ("http://localhost/cb",), "native")
