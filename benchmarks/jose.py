"""What a compact JWS costs: CPU per signature made and checked, beside the bare primitive, PyJWT and joserfc.

Run ``python benchmarks/jose.py`` (or with ``--quick``). Everyone signs and verifies the same claims with keys made
ready beforehand; the contestants take turns in short rounds, and the figures are medians over rounds of CPU time, so
that a busy machine slows all alike. Only the ratios travel from one machine to another.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator

import joserfc.jwk
import jwt
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc import jws as joserfc_jws
from watchword.jose import Key, KeySet, Signer, verify
from watchword.jose.algorithms import ALGORITHMS, Algorithm

Work = Callable[[], object]

CLAIMS = {
    "iss": "https://auth.example.com",
    "sub": "01JD0Z5V8W6Q3N4R7T2Y9XKMHB",
    "aud": ["https://api.example.com"],
    "exp": 1_763_666_000,
    "iat": 1_763_665_400,
    "jti": "lT0sXb3cQ9yVw1Zk7mRp2A",
    "client_id": "web",
    "scope": "openid profile email orders:read",
    "sid": "pQ8dJ2nV5xG7sL1cB4tYzw",
    "rev": 12,
}
PAYLOAD = msgspec.json.encode(CLAIMS)
# Verify and sign, as a share of the bare primitive's speed.
TARGETS = {
    "ES256": (0.92, 0.85),
    "EdDSA": (0.92, 0.88),
    "RS256": (0.75, 0.95),
    "PS256": (0.75, 0.95),
}
HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


def raw_work(row: Algorithm, key: Key, message: bytes) -> tuple[Work, Work]:
    """The bare primitive of cryptography: verify and sign one message, with everything prepared."""
    native, public = key._material.private, key._material.public
    digest = HASHES[row.hash_bits]
    if isinstance(native, bytes):
        mac = HMAC(native, digest)

        def compute() -> bytes:
            context = mac.copy()
            context.update(message)
            return context.finalize()

        return compute, compute
    if row.family == "eddsa":
        signature = native.sign(message)
        return lambda: public.verify(signature, message), lambda: native.sign(message)
    if row.family == "ecdsa":
        scheme = ec.ECDSA(digest)
        signature = native.sign(message, scheme)
        return lambda: public.verify(signature, message, scheme), lambda: native.sign(message, scheme)
    pad = padding.PKCS1v15()
    if row.family == "pss":
        pad = padding.PSS(mgf=padding.MGF1(digest), salt_length=row.hash_bits // 8)
    signature = native.sign(message, pad, digest)
    return lambda: public.verify(signature, message, pad, digest), lambda: native.sign(message, pad, digest)


def contestants(name: str) -> tuple[dict[str, Work], dict[str, Work]]:
    """Ways to verify one token, and ways to sign it, by contestant."""
    row = ALGORITHMS[name]
    key = Key.generate(name)
    signer = Signer(key, typ="at+jwt")
    token = signer.sign(PAYLOAD)
    keys = KeySet([key if key.is_symmetric else key.public()])
    allowed = frozenset({name})
    raw_verify, raw_sign = raw_work(row, key, token.rpartition(".")[0].encode())
    verifying: dict[str, Work] = {"raw": raw_verify, "ours": lambda: verify(token, keys, algorithms=allowed)}
    signing: dict[str, Work] = {"raw": raw_sign, "ours": lambda: signer.sign(PAYLOAD)}

    private_jwk = key.private_jwk()
    public_jwk = private_jwk if key.is_symmetric else key.public_jwk()
    header = dict(signer.header)
    if name != "Ed25519":  # PyJWT does not know the name
        pyjws = jwt.PyJWS()
        py_private, py_public = jwt.PyJWK(private_jwk, name), jwt.PyJWK(public_jwk, name)
        verifying["PyJWT"] = lambda: pyjws.decode(token, py_public, algorithms=[name])
        signing["PyJWT"] = lambda: pyjws.encode(PAYLOAD, py_private, algorithm=name, headers=header)
    rfc_private = joserfc.jwk.import_key(private_jwk)
    rfc_public = joserfc.jwk.import_key(public_jwk)
    verifying["joserfc"] = lambda: joserfc_jws.deserialize_compact(token, rfc_public, algorithms=[name])
    signing["joserfc"] = lambda: joserfc_jws.serialize_compact(header, PAYLOAD, rfc_private, algorithms=[name])
    return verifying, signing


def cpu_of(work: Work, times: int) -> float:
    """CPU seconds of one call, over a short round."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def measure(works: dict[str, Work], rounds: int, seconds: float) -> dict[str, float]:
    """Median CPU seconds of each contestant; they take turns, and each round begins with another."""
    times = {name: max(3, int(seconds / max(cpu_of(work, 20), 1e-7))) for name, work in works.items()}
    found: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(cpu_of(works[name], times[name]))
    return {name: statistics.median(values) for name, values in found.items()}


def rows(names: list[str], rounds: int, seconds: float) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Measure each algorithm, verifying first."""
    for name in names:
        verifying, signing = contestants(name)
        yield name, "verify", measure(verifying, rounds, seconds)
        yield name, "sign", measure(signing, rounds, seconds)


def line(name: str, act: str, found: dict[str, float]) -> str:
    """One line of the table; ratios say how many times the speed of the other."""
    ours = found["ours"]
    targets = TARGETS.get(name)
    target = "" if targets is None else f">= {targets[act == 'sign']:.2f}"
    peers = "".join(
        f"{found[peer] * 1e6:9.1f} {found[peer] / ours:7.2f}x" if peer in found else f"{'-':>9} {'-':>8}"
        for peer in ("PyJWT", "joserfc")
    )
    return (
        f"{name:8} {act:7}{ours * 1e6:9.2f}{1 / ours:10,.0f}/s"
        f"{found['raw'] * 1e6:9.2f} {found['raw'] / ours:7.3f}  {target:8}{peers}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of compact JWS, beside the bare primitive and two peers.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, five algorithms")
    parser.add_argument("--algorithms", nargs="+", choices=sorted(ALGORITHMS), help="only these")
    options = parser.parse_args()
    usual = ["ES256", "EdDSA", "RS256", "PS256", "HS256"]
    names = options.algorithms or (usual if options.quick else list(ALGORITHMS))
    rounds, seconds = (7, 0.01) if options.quick else (15, 0.03)
    warnings.simplefilter("ignore")
    print(f"claims of {len(PAYLOAD)} bytes; CPU µs an operation, medians of {rounds} rounds taken by turns")
    print(
        f"{'alg':8} {'act':7}{'ours µs':>9}{'':12}{'raw µs':>9} {'of raw':>7}  {'target':8}"
        f"{'PyJWT µs':>9} {'ours is':>8}{'joserfc µs':>10} {'ours is':>7}"
    )
    for name, act, found in rows(names, rounds, seconds):
        print(line(name, act, found), flush=True)


if __name__ == "__main__":
    main()
