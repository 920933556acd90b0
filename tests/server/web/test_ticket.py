"""Tickets: what they carry comes back whole, in the browser they were made for, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.jose import base64url
from watchword_server.web.ticket import LIFETIME, MAX_TICKET, Ticket, TicketRefused, Tickets, renewed

TICKETS = Tickets(bytes(range(32)))
GOOD = Ticket(
    purpose="authorize", values={"state": "a & b", "claims": '{"ü": null}'}, resource=("https://a",), began=1.5, expires_at=9.0
)  # fmt: skip


def refused(
    text: str | None, browser: str | None = "mine", purpose: str = "authorize", tickets: Tickets = TICKETS
) -> bool:
    with pytest.raises(TicketRefused):
        tickets.open(text, browser, purpose=purpose)
    return True


def test_what_it_carries_comes_back_whole_whether_or_not_it_is_over():
    assert TICKETS.open(TICKETS.seal(GOOD, "mine"), "mine", purpose="authorize") == GOOD


def test_a_ticket_sent_to_a_victim_is_good_for_nothing_in_the_victims_browser():
    sealed = TICKETS.seal(GOOD, "attacker")
    assert refused(sealed, "victim")
    assert refused(sealed, None)
    assert refused(sealed, "")


def test_a_ticket_of_another_purpose_installation_or_time_is_refused():
    assert refused(TICKETS.seal(GOOD, "mine"), purpose="logout")
    assert refused(Tickets(bytes(32)).seal(GOOD, "mine"))


@pytest.mark.parametrize("text", [None, "", "=", "a", "a" * (MAX_TICKET + 1), "é", "A" * 43, "A" * 44])
def test_whatever_is_no_ticket_is_refused(text):
    assert refused(text)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_changed_bit_is_taken(place, bit):
    octets = bytearray(base64url.decode(TICKETS.seal(GOOD, "mine")))
    octets[place % len(octets)] ^= 1 << bit
    assert refused(base64url.encode(bytes(octets)))


def test_of_an_earlier_version_of_the_program_is_refused_and_not_an_error():
    import hashlib
    import hmac

    octets = b"\x93\x01\x02\x03"
    bound = hashlib.sha256(b"mine").digest()
    mac = hmac.digest(bytes(range(32)), b"watchword ticket v1" + bound + octets, hashlib.sha256)
    assert refused(base64url.encode(octets + mac))


def test_the_largest_request_still_fits_in_a_url():
    from watchword_server.endpoints.authorize.parameters import MAX_REQUEST_BYTES

    values = {"claims": '"' * (MAX_REQUEST_BYTES - 6)}
    ticket = Ticket(
        purpose="authorize", values=values, began=1.0, expires_at=2.0, selected="0" * 26, shown=("openid",) * 9
    )
    assert len(TICKETS.seal(ticket, "mine")) <= MAX_TICKET
    with pytest.raises(ValueError, match="URL"):
        TICKETS.seal(Ticket(purpose="a", values={"a": "b" * 9000}, began=1.0, expires_at=2.0), "mine")


def test_the_next_page_begins_its_time_anew():
    later = renewed(GOOD, 100.0, selected="ada")
    assert (later.expires_at, later.selected, later.began) == (100.0 + LIFETIME, "ada", GOOD.began)
    assert "0001" not in repr(TICKETS)
