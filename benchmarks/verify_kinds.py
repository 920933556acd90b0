"""What each kind of access token costs a verifier: signed, encrypted, opaque, bound to a key; and the memory of many.

Run ``python benchmarks/verify_kinds.py`` (or with ``--quick``). Each kind is verified anew and seen before, and set against
the raw primitive it cannot do without, in the same rounds. DPoP proofs are never seen before, so a bound token that is
known still costs its proof. Opaque tokens that are not known cost a question over the network, which is not measured here.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from verify import TOKENS, make_tokens, measure, raw_work
from watchword import ClientSecret, Dpop, Introspection, KeySet
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.jwe import Decrypter, encrypt
from watchword.oauth.names import Scheme
from watchword.testing import FakeDpopKey, FakeIssuer
from watchword.verify.access_token import AccessToken
from watchword.verify.dpop import check_dpop_proof
from watchword.verify.introspection import read_answer
from watchword.verify.possession import Possession
from watchword.verify.replay import LocalReplayMemory

Work = Callable[[], object]
URL = "https://api.example.com/orders?page=2"
MEMORY_TOKENS = 100_000
MEMORY_KINDS = ("jwt", "opaque", "used proofs")


def signed_and_encrypted() -> dict[str, Work]:
    """Signed alone, and signed inside a JWE, each never seen before and seen before."""
    issuer, tokens = make_tokens("ES256")
    keys = KeySet([issuer.key.public()])
    works: dict[str, Work] = {"raw ES256 verify": raw_work(issuer.key, "ES256", tokens)}
    plain, known = issuer.verifier(cache_size=0, keys=keys), issuer.verifier(keys=keys)
    works["JWT, first sight"] = cycled(plain.verify_now, [token.decode() for token in tokens])
    works["JWT, seen before"] = cycled(known.verify_now, [token.decode() for token in tokens])
    for label, key in (
        ("JWE ECDH-ES+A256KW P-256", EncryptionKey.generate()),
        ("JWE ECDH-ES X25519", EncryptionKey.generate("ECDH-ES", curve="X25519")),
        ("JWE RSA-OAEP-256", EncryptionKey.generate("RSA-OAEP-256")),
    ):
        decrypter = Decrypter([key])
        encrypted = [encrypt(token, key) for token in tokens]
        works[f"{label}, first sight"] = cycled(
            issuer.verifier(cache_size=0, keys=keys, decrypter=decrypter).verify_now, encrypted
        )
        works[f"{label}, seen before"] = cycled(issuer.verifier(keys=keys, decrypter=decrypter).verify_now, encrypted)
    return works


def bound() -> dict[str, Work]:
    """A known token with a new proof each time, and the proof alone."""
    issuer = FakeIssuer("https://auth.example.com")
    key = FakeDpopKey(clock=issuer.clock)
    token = issuer.token(cnf={"jkt": key.jkt})
    proofs = [key.proof("GET", URL, token) for _ in range(TOKENS)]
    memory = LocalReplayMemory(clock=issuer.clock, max_entries=10**7)
    verifier = issuer.verifier(dpop=Dpop(replay=memory))
    now = issuer.clock.now()
    verifier.verify_now(token, possession=Possession(Scheme.DPOP, (proofs[0],), "GET", URL))
    counter = itertools.count()
    alone = cycled(lambda p: check_dpop_proof(p, method="GET", url=URL, now=now, access_token=token), proofs)
    memory.first_use = lambda key, end: LocalReplayMemory.first_use(memory, f"{key}{next(counter)}", end)  # type: ignore[method-assign]
    return {
        "raw ES256 verify": raw_work(key.key, "ES256", [proof.encode() for proof in proofs]),
        "DPoP proof alone": alone,
        "known token with DPoP proof": cycled(
            lambda p: verifier.verify_now(token, possession=Possession(Scheme.DPOP, (p,), "GET", URL)), proofs
        ),
    }


def opaque() -> dict[str, Work]:
    """An opaque token known by an answer a moment ago, and reading a new answer."""
    issuer = FakeIssuer("https://auth.example.com")
    asking = Introspection(ClientSecret("rs", "secret"), cache_seconds=3600)
    verifier = issuer.sync_verifier(introspection=asking)
    tokens = [issuer.opaque_token(f"account-{n}", scope="openid orders:read") for n in range(TOKENS)]
    for token in tokens:
        verifier.verify(token)
    answer = {"active": True, "token_type": "Bearer", **issuer._opaque[tokens[0]]}
    return {
        "raw SHA-256 of a token": cycled(lambda raw: sha256(raw.encode()).digest(), tokens),
        "opaque, answer known": cycled(verifier.verify_now, tokens),
        "opaque, reading an answer": lambda: read_answer(answer, tokens[0], verifier.policy, issuer.clock.now()),
    }


def ecdh() -> dict[str, Work]:
    """What a JWE cannot do without, beside what is inside: one key agreement, twice (import of the point included)."""
    mine, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()).public_key()
    return {"raw ECDH P-256": lambda: mine.exchange(ec.ECDH(), theirs), "raw hash": lambda: hashes.SHA256()}


def cycled(work: Callable[[str], object], texts: list[str]) -> Work:
    """Fresh text each time, as it comes out of a request."""
    turns = itertools.cycle([text.encode() for text in texts])
    return lambda: work(next(turns).decode())


def memory_of(kind: str) -> float:
    """Bytes of one remembered token, in a fresh process; called there."""
    issuer = FakeIssuer("https://auth.example.com")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    if kind == "used proofs":
        memory = LocalReplayMemory(clock=issuer.clock)
        before = resident()
        for n in range(MEMORY_TOKENS):
            memory.first_use(f"dpop:{n:043}", issuer.clock.now() + 70)
        return (resident() - before) / MEMORY_TOKENS
    if kind == "jwt":
        verifier = issuer.sync_verifier(cache_size=2 * MEMORY_TOKENS + 2)
        before = resident()
        for n in range(MEMORY_TOKENS):
            verifier.verify_now(issuer.token(f"account-{n}", sid=f"session-{n:020}", scope="openid orders:read"))
        return (resident() - before) / MEMORY_TOKENS
    asking = Introspection(ClientSecret("rs", "secret"), max_entries=2 * MEMORY_TOKENS + 2, cache_seconds=3600)
    verifier = issuer.sync_verifier(introspection=asking)
    tokens: AccessToken
    before = resident()
    for n in range(MEMORY_TOKENS):
        claims = issuer._claims(f"account-{n}", "openid orders:read", (), {"sid": f"session-{n:020}"})
        tokens = read_answer({"active": True, **claims}, f"wo_{n:043}", verifier.policy, issuer.clock.now())
        verifier._opaque._active.put(sha256(f"{n}".encode()).hexdigest()[:32], (tokens, 0.0, 3600.0, 0))
    return (resident() - before) / MEMORY_TOKENS


def show(title: str, found: dict[str, float]) -> None:
    raw = next(iter(found.values()))
    print(f"\n{title}")
    for name, seconds in found.items():
        print(f"  {name:36} {seconds * 1e6:9.2f} µs  {1 / seconds:12,.0f}/s  {seconds / raw:8.2f} x raw")


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU and memory of each kind of access token.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(memory_of(arguments.memory_of))
        return
    rounds, seconds = (3, 0.05) if arguments.quick else (9, 0.3)
    show("signed and encrypted", measure(signed_and_encrypted(), rounds, seconds))
    show("bound to a key (DPoP, ES256)", measure(bound(), rounds, seconds))
    show("opaque", measure(opaque(), rounds, seconds))
    show("parts", measure(ecdh(), rounds, seconds))
    print(f"\nmemory of one verifier, {MEMORY_TOKENS:,} remembered")
    for kind in MEMORY_KINDS:
        run = subprocess.run(
            [sys.executable, __file__, "--memory-of", kind], capture_output=True, check=True, text=True
        )
        each = float(run.stdout)
        print(f"  {kind:36} {each:9.0f} bytes each  {each * MEMORY_TOKENS / 1e6:9.1f} MB")


if __name__ == "__main__":
    main()
