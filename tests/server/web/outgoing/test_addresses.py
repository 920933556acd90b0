"""Which URLs and addresses may be asked: the tricks by which a URL leads inside."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.web.outgoing import AllowList, OutgoingRefused, check_outgoing_url
from watchword_server.web.outgoing.addresses import is_public

INSIDE = [
    *("127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1"),
    *("fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::"),
    *("2001::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_nobodys_on_the_internet_is_not_public(address):
    assert not is_public(ip_address(address))
    assert not AllowList().admits("example.com", ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"])
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ip_address(address))


def test_what_is_listed_is_admitted_and_nothing_beside_it():
    allow = AllowList.of(["10.1.0.0/16", "::1", "receiver.internal"])
    assert allow.admits("x", ip_address("10.1.2.3"))
    assert allow.admits("x", ip_address("::ffff:10.1.2.3"))
    assert allow.admits("x", ip_address("::1"))
    assert not allow.admits("x", ip_address("10.2.0.1"))
    assert allow.admits("receiver.internal", ip_address("192.168.0.9"))
    assert not allow.admits("other.internal", ip_address("192.168.0.9"))
    assert not allow.admits("evil.receiver.internal", ip_address("192.168.0.9"))


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::ffff:169.254.169.254"])
def test_a_listed_name_never_leads_to_the_metadata_service(address):
    assert not AllowList.of(["receiver.internal"]).admits("receiver.internal", ip_address(address))


@pytest.mark.parametrize(
    "entry", ["*", "*.example.com", "Example.com", "exa mple", "", "1.2.3", "0x7f.1", "10.0.0.1/8"]
)
def test_an_entry_that_is_not_exact_is_refused(entry):
    with pytest.raises(ValueError, match="exact host name"):
        AllowList.of([entry])


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/"),
        *("", "https://", "https:///x", "https:example.com", "javascript:alert(1)"),
        *("https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/"),
        *("https://017700000001/", "https://127.0.0.01/", "https://1.2.3.4.5/", "https://example.com.0x/"),
        *("https://user@example.com/", "https://user:pw@example.com/", "https://example.com@127.0.0.1/"),
        *(
            "https://@example.com/",
            "https://example.com\\@127.0.0.1/",
            "https://example.com/#x",
            "https://example.com#",
        ),
        *("https://example.com:0/", "https://example.com:99999/", "https://example.com:/", "https://example.com:8x/"),
        *(
            "https://exa mple.com/",
            "https://example.com/\n",
            "https://example.com/\r\nX: y",
            "https://example.com/\x00",
        ),
        *("https://exämple.com/", "https://example。com/", "https://①②⑦.0.0.1/", "https://%31%32%37.0.0.1/"),
        *("https://[::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1/", "https://::1/", "https://[127.0.0.1]x/"),
        *(
            "https://example..com/",
            "https://.example.com/",
            "https://example.com./",
            "https://-a.com/",
            "https://*.com/",
        ),
        "https://example.com/" + "a" * 2048,
    ],
)
def test_a_url_with_something_hidden_in_it_is_refused(url):
    with pytest.raises(OutgoingRefused):
        check_outgoing_url(url)


def test_a_url_comes_apart_into_what_the_request_needs():
    target = check_outgoing_url("https://Receiver.Example.com:8443/events?a=b%20c")
    assert (target.host, target.port) == ("receiver.example.com", 8443)
    assert (target.authority, target.path) == ("receiver.example.com:8443", "/events?a=b%20c")
    assert check_outgoing_url("https://[2606:4700::1111]").authority == "[2606:4700::1111]"
    assert check_outgoing_url("http://localhost:1/", allow_http=True).port == 1


@given(st.text(max_size=60))
def test_text_is_a_url_or_refused(rest):
    try:
        target = check_outgoing_url("https://" + rest)
    except OutgoingRefused:
        return
    assert target.authority.isascii()
    assert not set(" \r\n\t@\\#") & set(target.authority + target.path)
