"""The ring over a store: first start, rotation, distrust, several processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from watchword.jose.errors import JoseError
from watchword.jose.jwk import KeySet
from watchword.jose.jws import verify
from watchword_server.keys.ring import ALGORITHMS, KeyNotAnnounced, KeyRing
from watchword_server.keys.sealing import SealError, SealFault
from watchword_server.store.port import Store, StoreUnavailable
from watchword_server.store.records import AuditEvent, Origin, SigningKey

CLI = Origin(actor="cli")
DAY = 86_400.0
MakeRing = Callable[..., KeyRing]


def published(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in json.loads(ring.jwks.body)["keys"]]


def signing(ring: KeyRing) -> str:
    kid = ring.signer("at+jwt").key.kid
    assert kid is not None
    return kid


async def test_a_first_start_makes_keys_and_announces_the_next_before_it_is_used(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    assert published(ring)[0] == signing(ring)
    assert len(published(ring)) == 2
    assert len(ring.mac_secret(ring.active_mac_key) or b"") == 32


async def test_many_processes_that_start_at_once_end_with_the_same_keys(make_ring: MakeRing, ring_store: Store) -> None:
    rings = [make_ring() for _ in range(8)]
    await asyncio.gather(*(ring.start() for ring in rings))
    await asyncio.gather(*(ring.tend() for ring in rings))
    assert len({signing(ring) for ring in rings}) == 1
    assert len({ring.active_mac_key for ring in rings}) == 1
    assert len({ring.jwks.etag for ring in rings}) == 1
    assert len(await ring_store.keys()) == 6


async def test_no_private_member_and_no_mac_key_is_ever_published(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    for key in json.loads(ring.jwks.body)["keys"]:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert ring.active_mac_key not in published(ring)


async def test_stored_rows_hold_no_key_in_clear(make_ring: MakeRing, ring_store: Store) -> None:
    ring = make_ring()
    await ring.start()
    secret = ring.mac_secret(ring.active_mac_key)
    private = ring.signer("at+jwt").key.private_jwk()["d"]
    assert secret is not None
    for row in await ring_store.keys():
        assert secret not in row.sealed
        assert private.encode() not in row.sealed + row.public_jwk


async def test_what_the_ring_signs_verifies_under_what_it_publishes(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    token = ring.signer("at+jwt").sign(b"{}")
    verified = verify(token, ring.key_set, algorithms={"ES256"})
    assert verified.header["typ"] == "at+jwt"


@pytest.mark.rfc("9068 §2.1/2")
@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "PS256", "ES384"])
async def test_other_algorithms_can_be_chosen(make_ring: MakeRing, algorithm: str) -> None:
    ring = make_ring(algorithm=algorithm)
    await ring.start()
    assert verify(ring.signer("at+jwt").sign(b"{}"), ring.key_set, algorithms={algorithm})


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256 ", ""])
def test_an_algorithm_whose_verifiers_could_sign_is_refused(make_ring: MakeRing, algorithm: str) -> None:
    assert algorithm not in ALGORITHMS
    with pytest.raises(ValueError, match="cannot be signed"):
        make_ring(algorithm=algorithm)


async def test_keys_rotate_on_schedule_and_the_new_one_was_announced_all_along(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    old, announced = published(ring)
    old_token = ring.signer("at+jwt").sign(b"{}")
    clock.advance(90 * DAY)
    await ring.tend()
    assert signing(ring) == announced
    assert published(ring)[0] == announced
    assert old in published(ring)
    assert len(published(ring)) == 3
    assert verify(old_token, ring.key_set, algorithms={"ES256"})


async def test_a_retired_key_leaves_the_document_when_its_tokens_are_dead(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    old = signing(ring)
    clock.advance(90 * DAY)
    await ring.tend()
    clock.advance(DAY)
    await ring.tend()
    assert old in published(ring)
    clock.advance(61)
    await ring.tend()
    assert old not in published(ring)


async def test_a_retired_mac_key_lives_as_long_as_a_session_may(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    old = ring.active_mac_key
    clock.advance(90 * DAY)
    await ring.tend()
    assert ring.active_mac_key != old
    clock.advance(30 * DAY)
    await ring.tend()
    assert ring.mac_secret(old) is not None
    clock.advance(61)
    await ring.tend()
    assert ring.mac_secret(old) is None


async def test_many_processes_rotate_once(make_ring: MakeRing, ring_store: Store, clock: Any) -> None:
    rings = [make_ring() for _ in range(4)]
    for ring in rings:
        await ring.start()
    clock.advance(90 * DAY)
    await asyncio.gather(*(ring.tend() for ring in rings))
    await asyncio.gather(*(ring.tend() for ring in rings))
    states = sorted(key.state for key in await ring_store.keys() if key.purpose == "access_token")
    assert states == ["active", "next", "retired"]
    assert len({signing(ring) for ring in rings}) == 1


async def test_rotating_by_command_waits_until_verifiers_know_the_next_key(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    announced = published(ring)[1]
    with pytest.raises(KeyNotAnnounced) as caught:
        await ring.rotate("access_token", CLI)
    assert caught.value.wait == DAY
    clock.advance(DAY)
    assert await ring.rotate("access_token", CLI) == announced
    assert signing(ring) == announced


async def test_rotating_at_once_does_not_wait(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    announced = published(ring)[1]
    assert await ring.rotate("access_token", CLI, at_once=True) == announced == signing(ring)


async def test_a_distrusted_key_is_out_at_once_is_cut_off_and_the_announced_one_signs(
    make_ring: MakeRing, ring_store: Store
) -> None:
    ring, elsewhere = make_ring(), make_ring()
    await ring.start()
    await elsewhere.start()
    bad, announced = published(ring)
    token = ring.signer("at+jwt").sign(b"{}")
    assert await ring.distrust(bad, CLI) is True
    assert await ring.distrust(bad, CLI) is False
    assert bad not in published(ring)
    assert signing(ring) == announced
    await elsewhere.tend()
    assert signing(elsewhere) == announced
    assert elsewhere.jwks == ring.jwks
    with pytest.raises(Exception, match="kid"):
        verify(token, elsewhere.key_set, algorithms={"ES256"})
    entries = (await ring_store.cut_offs_after(None, limit=10)).entries
    assert [(entry.axis, entry.value) for entry in entries] == [("key", bad)]


async def test_distrusting_the_next_key_replaces_it_and_leaves_the_active_one(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    active, announced = published(ring)
    await ring.distrust(announced, CLI)
    assert signing(ring) == active
    assert announced not in published(ring)
    assert len(published(ring)) == 2


async def test_distrusting_every_key_still_leaves_one_that_signs(make_ring: MakeRing, ring_store: Store) -> None:
    ring = make_ring()
    await ring.start()
    before = set(published(ring))
    for key in await ring_store.keys():
        await ring_store.distrust_key(key.kid, audit=_audit())
    await ring.tend()
    assert before.isdisjoint(published(ring))
    assert signing(ring) == published(ring)[0]
    assert ring.mac_secret(ring.active_mac_key) is not None


async def test_a_ring_seen_between_distrust_and_activation_signs_with_the_announced_key(
    make_ring: MakeRing, ring_store: Store, clock: Any
) -> None:
    ring = make_ring()
    await ring.start()
    bad, announced = published(ring)
    await ring_store.distrust_key(bad, audit=_audit())
    clock.advance(2)
    await ring.look_again()
    assert signing(ring) == announced


async def test_a_distrusted_mac_key_makes_no_token_good(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    bad = ring.active_mac_key
    await ring.distrust(bad, CLI)
    assert ring.mac_secret(bad) is None
    assert ring.active_mac_key != bad


async def test_distrusting_an_unknown_key_does_nothing(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    before = ring.jwks
    assert await ring.distrust("nobody", CLI) is False
    assert ring.jwks == before


async def test_keys_of_another_environment_stop_the_start_and_nothing_is_made(
    make_ring: MakeRing, ring_store: Store
) -> None:
    await make_ring(environment="development").start()
    before = await ring_store.keys()
    with pytest.raises(SealError, match="development") as caught:
        await make_ring().start()
    assert caught.value.fault is SealFault.WRONG_ENVIRONMENT
    assert await ring_store.keys() == before


async def test_another_master_key_stops_the_start(make_ring: MakeRing) -> None:
    await make_ring().start()
    with pytest.raises(SealError, match="another master key"):
        await make_ring(master="00112233445566778899aabbccddeeff" * 2).start()


async def test_a_damaged_row_is_told_and_keeps_nobody_from_seeing_that_a_key_is_distrusted(
    make_ring: MakeRing, ring_store: Store, clock: Any
) -> None:
    ring = make_ring()
    await ring.start()
    bad, announced = published(ring)
    damaged = SigningKey(
        kid="damaged",
        purpose="refresh_mac",
        algorithm="HS256",
        state="retired",
        public_jwk=b"",
        sealed=b"\x01 not sealed by anyone",
        created_at=clock.now(),
        activated_at=None,
        retired_at=clock.now(),
    )
    await ring_store.add_key(damaged, unless_state=None, audit=_audit())
    await ring_store.distrust_key(bad, audit=_audit())
    with pytest.raises(SealError, match="damaged"):
        await ring.tend()
    assert bad not in published(ring)
    assert signing(ring) == announced
    with pytest.raises(SealError):
        await ring.tend()
    await ring.distrust("damaged", CLI)
    assert len(published(ring)) == 2


async def test_the_ring_is_read_again_at_most_once_a_second_for_strangers(
    make_ring: MakeRing, ring_store: Store, clock: Any
) -> None:
    ring, elsewhere = make_ring(), make_ring()
    await ring.start()
    await elsewhere.start()
    await elsewhere.rotate("access_token", CLI, at_once=True)
    await ring.look_again()
    assert signing(ring) != signing(elsewhere)
    clock.advance(1)
    await ring.look_again()
    assert signing(ring) == signing(elsewhere)


def test_an_empty_ring_signs_nothing(make_ring: MakeRing) -> None:
    ring = make_ring()
    with pytest.raises(StoreUnavailable):
        ring.signer("at+jwt")
    with pytest.raises(StoreUnavailable):
        ring.feed_signer("revocations+jwt")
    with pytest.raises(StoreUnavailable):
        _ = ring.active_mac_key
    assert json.loads(ring.jwks.body) == {"keys": []}


def announced_for_the_feed(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in json.loads(ring.feed_jwks.body)["keys"]]


async def test_feed_keys_are_apart_from_those_of_tokens_sealed_and_announced(
    make_ring: MakeRing, ring_store: Store
) -> None:
    ring = make_ring(algorithm="RS256")
    await ring.start()
    active, following = announced_for_the_feed(ring)
    assert {active, following}.isdisjoint(published(ring))
    signer = ring.feed_signer("revocations+jwt")
    assert (signer.key.kid, signer.algorithm) == (active, "ES256")
    assert verify(signer.sign(b"{}"), KeySet.from_json(ring.feed_jwks.body), algorithms={"ES256"})
    with pytest.raises(JoseError):
        verify(signer.sign(b"{}"), ring.key_set, algorithms=ALGORITHMS)
    private = signer.key.private_jwk()["d"]
    for row in await ring_store.keys():
        assert private.encode() not in row.sealed + row.public_jwk
    for key in json.loads(ring.feed_jwks.body)["keys"]:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_feed_keys_rotate_as_the_others_do(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    old, following = announced_for_the_feed(ring)
    clock.advance(90 * DAY)
    await ring.tend()
    assert ring.feed_signer("revocations+jwt").key.kid == following
    assert announced_for_the_feed(ring)[0] == following
    assert old in announced_for_the_feed(ring)
    clock.advance(DAY + 61)
    await ring.tend()
    assert old not in announced_for_the_feed(ring)


async def test_a_distrusted_feed_key_is_gone_at_once_and_leaves_those_of_tokens_alone(make_ring: MakeRing) -> None:
    ring, elsewhere = make_ring(), make_ring()
    await ring.start()
    await elsewhere.start()
    bad, following = announced_for_the_feed(ring)
    tokens_before = ring.jwks
    assert await ring.distrust(bad, CLI) is True
    await elsewhere.tend()
    for each in (ring, elsewhere):
        assert bad not in announced_for_the_feed(each)
        assert each.feed_signer("revocations+jwt").key.kid == following
        assert each.jwks == tokens_before


async def test_distrusting_every_token_key_leaves_the_feed_its_own(make_ring: MakeRing) -> None:
    ring = make_ring()
    await ring.start()
    before = ring.feed_jwks
    for kid in published(ring):
        await ring.distrust(kid, CLI)
    assert ring.feed_jwks == before
    assert ring.feed_signer("revocations+jwt").sign(b"{}")


async def test_the_etag_changes_with_the_document_only(make_ring: MakeRing, clock: Any) -> None:
    ring = make_ring()
    await ring.start()
    first = ring.jwks
    clock.advance(5)
    await ring.tend()
    assert ring.jwks is first
    await ring.rotate("access_token", CLI, at_once=True)
    assert ring.jwks.etag != first.etag


def _audit() -> AuditEvent:
    return AuditEvent(event="key.distrusted", origin=CLI)


async def test_a_key_of_another_algorithm_is_made_when_first_needed_and_its_successor_is_announced(make_ring):
    ring = make_ring(offered=("RS256", "ES256", "EdDSA"))
    await ring.start()
    assert {row.algorithm for row in ring.keys if row.purpose == "access_token"} == {"ES256"}
    await asyncio.gather(*(ring.prepare("EdDSA") for _ in range(3)))
    signer = ring.signer_for("EdDSA", "JWT")
    assert signer.algorithm == "EdDSA"
    assert verify(signer.sign(b"{}"), ring.key_set, algorithms={"EdDSA"}).payload == b"{}"
    assert ring.signer_for("Ed25519", "JWT").key is signer.key
    await ring.tend()
    states = sorted(row.state for row in ring.keys if row.algorithm == "EdDSA")
    assert states == ["active", "next"]
    published = {key["kid"] for key in json.loads(ring.jwks.body)["keys"]}
    assert {row.kid for row in ring.keys if row.algorithm == "EdDSA"} <= published


async def test_every_process_signs_with_the_same_key_of_another_algorithm(make_ring):
    one, other = (make_ring(offered=("EdDSA",)) for _ in range(2))
    await asyncio.gather(one.start(), other.start())
    await asyncio.gather(one.prepare("EdDSA"), other.prepare("EdDSA"))
    assert one.signer_for("EdDSA", "JWT").key.kid == other.signer_for("EdDSA", "JWT").key.kid


async def test_keys_of_other_algorithms_rotate_like_those_of_access_tokens(make_ring, clock):
    ring = make_ring(offered=("EdDSA",))
    await ring.start()
    await ring.prepare("EdDSA")
    first = ring.signer_for("EdDSA", "JWT").key.kid
    await ring.tend()
    clock.advance(91 * 86_400)
    await ring.tend()
    second = ring.signer_for("EdDSA", "JWT").key.kid
    assert second != first
    assert {row.state for row in ring.keys if row.kid == first} == {"retired"}
    rotated = await ring.rotate("access_token", Origin(actor="test"), at_once=True, algorithm="EdDSA")
    assert ring.signer_for("EdDSA", "JWT").key.kid == rotated != second


async def test_an_algorithm_that_is_not_offered_has_no_signer(make_ring):
    ring = make_ring(offered=("EdDSA",))
    await ring.start()
    for name in ("RS256", "HS256", "none"):
        with pytest.raises(ValueError, match="not offered"):
            await ring.prepare(name)
        with pytest.raises(ValueError, match="not offered"):
            ring.signer_for(name, "JWT")
    with pytest.raises(ValueError, match="cannot be signed"):
        make_ring(offered=("HS256",))
