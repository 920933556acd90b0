"""What a verified access token costs: seen for the first time, seen before, and with revocation looked up.

Run ``python benchmarks/verify.py`` (or with ``--quick``). Everyone verifies the same RFC 9068 tokens, issuer, audience
and times included, out of two hundred different ones, as fresh text each time, as it comes out of a request. The
contestants take turns in short rounds; figures are medians of CPU time. Only the ratios travel between machines.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import joserfc.jwk
import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwt as joserfc_jwt
from watchword import Key, KeySet, Revocations, Verifier, system_clock
from watchword.jose.base64url import decode
from watchword.testing import FakeIssuer
from watchword.verify.revocation import CutOff

Work = Callable[[], object]

TOKENS = 200
TARGETS = {"ES256": 0.92, "Ed25519": 0.92, "RS256": 0.75, "PS256": 0.75}
SEEN_TARGET = 1_000_000
CUT_OFFS = 100_000


def make_tokens(algorithm: str) -> tuple[FakeIssuer, list[bytes]]:
    """An issuer, and tokens of the usual size."""
    issuer = FakeIssuer(
        "https://auth.example.com", audience="https://api.example.com", algorithm=algorithm, clock=system_clock
    )
    claims = {"auth_time": int(issuer.clock.now()) - 60, "amr": ["pwd", "otp"]}
    tokens = [
        issuer.token(
            f"01JD0Z5V8W6Q3N4R7T2Y9X{number:04}",
            scope="openid profile email orders:read",
            roles=["user"],
            jti=f"lT0sXb3cQ9yVw1Zk7m{number:04}",
            sid=f"pQ8dJ2nV5xG7sL1c{number:04}",
            **claims,
        ).encode()
        for number in range(TOKENS)
    ]
    return issuer, tokens


def first_sight(algorithm: str) -> dict[str, Work]:
    """Ways to verify a token never seen before, by contestant."""
    issuer, tokens = make_tokens(algorithm)
    verify = issuer.verifier(cache_size=0, keys=KeySet([issuer.key.public()])).verify_now
    ours = itertools.cycle(tokens)
    works: dict[str, Work] = {
        "raw": raw_work(issuer.key, algorithm, tokens),
        "ours": lambda: verify(next(ours).decode()),
    }
    if algorithm != "Ed25519":  # PyJWT does not know the name
        key = jwt.PyJWK(issuer.key.public_jwk(), algorithm)
        theirs = itertools.cycle(tokens)
        works["PyJWT"] = lambda: jwt.decode(
            next(theirs).decode(),
            key,
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={"require": ["exp", "iat", "sub", "jti"]},
        )
    rfc_key = joserfc.jwk.import_key(issuer.key.public_jwk())
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer.issuer},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )
    others = itertools.cycle(tokens)

    def with_joserfc() -> None:
        registry.validate(joserfc_jwt.decode(next(others).decode(), rfc_key, algorithms=[algorithm]).claims)

    works["joserfc"] = with_joserfc
    return works


def raw_work(key: Key, algorithm: str, tokens: list[bytes]) -> Work:
    """The bare primitive of cryptography, with signature and message prepared for each token."""
    public, sha256 = key._material.public, hashes.SHA256()
    rest: tuple[object, ...] = ()
    if algorithm == "ES256":
        rest = (ec.ECDSA(sha256),)
    elif algorithm == "RS256":
        rest = (padding.PKCS1v15(), sha256)
    elif algorithm == "PS256":
        rest = (padding.PSS(mgf=padding.MGF1(sha256), salt_length=32), sha256)
    prepared = []
    for token in tokens:
        message, _, signature = token.rpartition(b".")
        raw = decode(signature)
        if algorithm == "ES256":
            raw = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        prepared.append((raw, message))
    turns = itertools.cycle(prepared)
    verify = public.verify
    return lambda: verify(*next(turns), *rest)


def seen_before() -> dict[str, Work]:
    """Ways to meet a token again: time and revocation are checked at each."""
    issuer, tokens = make_tokens("ES256")
    keys = KeySet([issuer.key.public()])

    def following(cut_offs: int) -> Verifier:
        verifier = Verifier(
            issuer.issuer, issuer.audience, keys=keys, transport=issuer.transport, revocations=Revocations()
        )
        verifier._feed.view.apply(CutOff(1, "session", f"s{number}", 600.0) for number in range(cut_offs))
        verifier._feed.freshness.confirm(verifier._feed.freshness.instant())
        return verifier

    plain = Verifier(issuer.issuer, issuer.audience, keys=keys)
    followed, crowded, restless = following(0), following(CUT_OFFS), following(CUT_OFFS)
    texts = itertools.cycle(tokens)

    def each_time_a_new_cut_off() -> None:
        restless._view.version += 1
        restless.verify_now(next(texts).decode())

    works: dict[str, Work] = {"nothing (text alone)": lambda: next(texts).decode()}
    works["without revocation"] = lambda: plain.verify_now(next(texts).decode())
    works["following the feed"] = lambda: followed.verify_now(next(texts).decode())
    works["with 100,000 cut-offs"] = lambda: crowded.verify_now(next(texts).decode())
    works["all axes looked up"] = each_time_a_new_cut_off
    return works


def look_up() -> dict[str, Work]:
    """The look-up alone, in a view of many cut-offs."""
    issuer, tokens = make_tokens("ES256")
    issuer.view.apply(CutOff(1, "session", f"s{number}", 600.0) for number in range(CUT_OFFS))
    token = issuer.verifier().verify_now(tokens[0].decode())
    return {"kills": lambda: issuer.view.kills(token), "nothing": lambda: None}


def awaited(seconds: float) -> float:
    """CPU seconds of ``await verifier.verify`` for a token seen before."""
    issuer, tokens = make_tokens("ES256")
    verifier = issuer.verifier()

    async def run(times: int) -> float:
        for token in tokens:
            await verifier.verify(token.decode())
        texts = itertools.cycle(tokens)
        start = time.process_time()
        for _ in range(times):
            await verifier.verify(next(texts).decode())
        return (time.process_time() - start) / times

    return asyncio.run(run(max(1000, int(seconds * 500_000))))


def cpu_of(work: Work, times: int) -> float:
    """CPU seconds of one call, over a short round."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def measure(works: dict[str, Work], rounds: int, seconds: float) -> dict[str, float]:
    """Median CPU seconds of each contestant; they take turns, and each round begins with another."""
    for work in works.values():
        cpu_of(work, TOKENS)  # what is remembered is remembered, what is compiled is compiled
    times = {name: max(TOKENS, int(seconds / max(cpu_of(work, 50), 1e-7))) for name, work in works.items()}
    found: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(cpu_of(works[name], times[name]))
    return {name: statistics.median(values) for name, values in found.items()}


def import_seconds(statement: str) -> float:
    """Least of five: what a fresh interpreter spends on an import."""
    script = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    runs = (subprocess.run([sys.executable, "-c", script], capture_output=True, check=True) for _ in range(5))
    return min(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of verifying access tokens, beside raw primitives and two peers.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    options = parser.parse_args()
    rounds, seconds = (5, 0.02) if options.quick else (15, 0.05)
    warnings.simplefilter("ignore")

    print(f"first sight; CPU µs a token, medians of {rounds} rounds taken by turns")
    print(f"{'alg':9}{'ours':>8}{'':11}{'raw':>8}{'of raw':>8}  {'target':8}{'PyJWT':>8}{'':7}{'joserfc':>9}")
    for algorithm, target in TARGETS.items():
        found = measure(first_sight(algorithm), rounds, seconds)
        ours = found["ours"]
        peers = "".join(
            f"{found[peer] * 1e6:9.1f}{found[peer] / ours:6.2f}x" if peer in found else f"{'-':>9}{'':7}"
            for peer in ("PyJWT", "joserfc")
        )
        print(
            f"{algorithm:9}{ours * 1e6:8.2f}{1 / ours:9,.0f}/s{found['raw'] * 1e6:8.2f}"
            f"{found['raw'] / ours:8.3f}  >= {target:4}{peers}",
            flush=True,
        )

    print("\nseen before; time and revocation checked at each sight")
    found = measure(seen_before(), rounds, seconds)
    text = found.pop("nothing (text alone)")
    for name, cost in found.items():
        print(f"{name:24}{(cost - text) * 1e6:8.3f} µs {1 / (cost - text):12,.0f}/s", flush=True)
    cost = awaited(seconds) - text
    print(f"{'awaited':24}{cost * 1e6:8.3f} µs {1 / cost:12,.0f}/s   (target >= {SEEN_TARGET:,}/s)")
    added = found["following the feed"] - found["without revocation"]
    again = found["all axes looked up"] - found["without revocation"]
    print(f"revocation adds {added * 1e6:.3f} µs, {again * 1e6:.3f} µs after each new cut-off (target < 1 µs)")
    alone = measure(look_up(), rounds, seconds)
    print(f"the look-up alone {(alone['kills'] - alone['nothing']) * 1e6:.3f} µs")

    for statement in ("import watchword", "from watchword import Verifier"):
        print(f"{statement}: {import_seconds(statement) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
