"""Keys that are well formed and worthless are known for what they are."""

from __future__ import annotations

import pytest
from watchword.jose import Key
from watchword.jose.weak_keys import _powers_of_65537, has_small_factor, is_roca, is_sound_ed25519

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """Edwards addition, by its definition (RFC 8032 §5.1.4)."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def times(n: int, point: Point) -> Point:
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def root(square: int) -> int | None:
    candidate = pow(square, (P + 3) // 8, P)
    for x in (candidate, candidate * pow(2, (P - 1) // 4, P) % P):
        if x * x % P == square % P:
            return x
    return None


def small_order_points() -> set[Point]:
    """All points whose order divides eight: multiply any point by the order of the large subgroup."""
    large = 2**252 + 27742317777372353535851937790883648493
    found: set[Point] = set()
    y = 2
    while len(found) < 8:
        y += 1
        x = root((y * y - 1) * pow(D * y * y + 1, -1, P))
        if x is None:
            continue
        base = times(large, (x, y))
        found |= {times(n, base) for n in range(8)}
    return found


def test_every_point_of_small_order_is_refused_in_every_encoding() -> None:
    points = small_order_points()
    assert len(points) == 8
    for _, y in points:
        for encoded in (y, y + P):
            if encoded < 2**255:
                for sign in (0, 1):
                    assert not is_sound_ed25519((encoded | sign << 255).to_bytes(32, "little"))


def test_encodings_that_are_not_canonical_or_no_point_are_refused() -> None:
    for y in range(P, 2**255):
        assert not is_sound_ed25519(y.to_bytes(32, "little"))
    for y in range(2, 60):
        on_curve = root((y * y - 1) * pow(D * y * y + 1, -1, P)) is not None
        assert is_sound_ed25519(y.to_bytes(32, "little")) == on_curve


def test_a_key_of_small_order_is_refused(b64, refused) -> None:
    """One signature would fit every message: with R and A of small order, S = 0 verifies one time in eight."""
    for y in (0, 1, P - 1):
        with refused("bad_key"):
            Key.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64(y.to_bytes(32, "little"))})


def test_true_ed25519_keys_are_sound() -> None:
    for _ in range(20):
        assert Key.generate("EdDSA").public().kty == "OKP"


def test_a_modulus_in_the_subgroup_of_65537_is_roca(vectors) -> None:
    """CVE-2017-15361."""
    import base64

    document = vectors("wycheproof/json_web_key_test.json")
    [group] = [group for group in document["testGroups"] if group["comment"] == "jws_rsa_roca_key"]
    text = group["private"]["keys"][0]["n"]
    assert is_roca(int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big"))


def test_other_moduli_are_not_roca() -> None:
    assert not any(is_roca(3**1300 + 2 * n) for n in range(2000))


def test_the_fingerprint_leaves_out_enough_residues() -> None:
    share = 1.0
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157):
        powers = _powers_of_65537(prime)
        assert all(65537 * power % prime in powers for power in powers)
        share *= len(powers) / (prime - 1)
    assert share < 2**-26


@pytest.mark.parametrize("factor", [2, 3, 5, 7, 101, 997])
def test_a_modulus_with_a_small_factor_is_refused(factor: int, b64, refused) -> None:
    modulus = (2**2100 + 1234567) // factor * factor
    assert has_small_factor(modulus)
    with refused("bad_key"):
        Key.from_jwk({"kty": "RSA", "n": b64(modulus.to_bytes(263, "big")), "e": "AQAB"})
