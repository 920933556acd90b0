"""Clients that lie about where they come from."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.web.client_address import ClientAddress, client_address, parse_address, throttle_network

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.fixture
def seen(call, plain):
    async def ask(headers, *, client=("10.0.0.1", 1), header="x-forwarded-for", trusted=PROXIES):
        answer = await call(ClientAddress(plain, trusted=trusted, header=header), headers=headers, client=client)
        return client_address(answer.scope), answer.scope["scheme"], answer.scope

    return ask


@pytest.mark.rfc("9700 §4.13")
async def test_a_stranger_cannot_choose_an_address_or_a_scheme(seen):
    forged = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=203.0.113.9;proto=https"),
    ]
    for header in ("x-forwarded-for", "forwarded"):
        address, scheme, scope = await seen(forged, client=("192.0.2.7", 1), header=header)
        assert (address, scheme) == ("192.0.2.7", "http")
        assert scope["headers"] == []


async def test_a_client_behind_a_trusted_proxy_cannot_forge_an_address_before_it(seen):
    address, _, _ = await seen([("x-forwarded-for", "127.0.0.1, 203.0.113.9")])
    assert address == "203.0.113.9"


async def test_trusted_proxies_in_a_row_are_walked_past(seen):
    address, _, _ = await seen([("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1, fd00::7")])
    assert address == "203.0.113.9"


async def test_several_header_lines_count_as_one(seen):
    address, _, _ = await seen([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")])
    assert address == "203.0.113.9"


async def test_when_all_hops_are_trusted_the_first_is_the_client(seen):
    assert (await seen([("x-forwarded-for", "10.0.0.9, 10.0.0.2")]))[0] == "10.0.0.9"


@pytest.mark.parametrize(
    "garbage", ["unknown", "", "_hidden", "1.2.3", "a b", "<script>", "1.2.3.4:99999999", "[::1", "::ffff:x"]
)
async def test_what_does_not_parse_ends_the_walk_at_the_last_believed_hop(seen, garbage):
    assert (await seen([("x-forwarded-for", f"6.6.6.6, {garbage}, 10.0.0.2")]))[0] == "10.0.0.2"


async def test_only_the_configured_header_is_believed(seen):
    both = [("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "203.0.113.9")]
    assert (await seen(both))[0] == "203.0.113.9"
    assert (await seen(both, header="forwarded"))[0] == "6.6.6.6"


@pytest.mark.rfc("7239 §4")
@pytest.mark.parametrize(
    ("value", "address", "scheme"),
    [
        ("for=203.0.113.9;proto=https", "203.0.113.9", "https"),
        ('For="[2001:db8::17]:4711";Proto=HTTPS', "2001:db8::17", "https"),
        ("for=6.6.6.6;proto=http, for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9", "https"),
        ("for=_secret", "10.0.0.1", "http"),
        ("for=unknown;proto=https", "10.0.0.1", "http"),
        ("for=6.6.6.6;for=7.7.7.7", "10.0.0.1", "http"),
        ("proto=https", "10.0.0.1", "http"),
        ("for=203.0.113.9;proto=gopher", "203.0.113.9", "http"),
    ],
)
async def test_forwarded_is_read_as_its_rfc_says(seen, value, address, scheme):
    assert (await seen([("forwarded", value)], header="forwarded"))[:2] == (address, scheme)


async def test_the_scheme_comes_from_the_nearest_proxy(seen):
    headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http, https")]
    assert (await seen(headers))[1] == "https"


async def test_thousands_of_hops_cost_nothing(seen):
    assert (await seen([("x-forwarded-for", "10.0.0.1," * 10_000 + "203.0.113.9")]))[0] == "203.0.113.9"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1:80", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"), (" 192.0.2.1 ", "192.0.2.1"),
    ],
)  # fmt: skip
def test_addresses_come_with_ports_brackets_and_zones(text, address):
    assert str(parse_address(text)) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_none(text):
    parsed = parse_address(text)
    assert parsed is None or parse_address(str(parsed)) == parsed


def test_one_household_of_ipv6_has_one_throttle_key():
    assert throttle_network("2001:db8:1:2:aaaa::1") == throttle_network("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert throttle_network("2001:db8:1:3::1") != throttle_network("2001:db8:1:2::1")
    assert throttle_network("192.0.2.1") != throttle_network("192.0.2.2")
    assert throttle_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert throttle_network(None) == throttle_network("garbage") == "unknown"


async def test_a_socket_file_has_no_client(seen):
    assert (await seen([("x-forwarded-for", "6.6.6.6")], client=None))[0] is None
