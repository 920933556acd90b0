"""The table of algorithms is closed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from watchword.jose.algorithms import ALGORITHMS, ASYMMETRIC, SYMMETRIC, algorithm
from watchword.jose.primitives import CURVE_ORDERS


@pytest.mark.rfc("7518 §3.1")
@pytest.mark.rfc("9864 §2.2")
def test_the_table_holds_exactly_the_algorithms_meant() -> None:
    assert set(ALGORITHMS) == {
        *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("HS256", "HS384", "HS512"),
    }
    assert {"HS256", "HS384", "HS512"} == SYMMETRIC
    assert set(ALGORITHMS) == ASYMMETRIC | SYMMETRIC
    assert not ASYMMETRIC & SYMMETRIC


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ALGORITHMS["none"] = ALGORITHMS["HS256"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        ALGORITHMS["HS256"].hash_bits = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "nOnE", "", " ", "es256", "ES256 ", "Es256", "ES256K", "Ed448", "RSA1_5", "HS1"]
)
def test_any_other_name_is_refused(name: str, refused) -> None:
    with refused("unsupported_algorithm"):
        algorithm(name)


@pytest.mark.parametrize(
    ("name", "curve"), [("P-256", ec.SECP256R1()), ("P-384", ec.SECP384R1()), ("P-521", ec.SECP521R1())]
)
def test_the_order_of_a_curve_is_the_first_number_that_is_no_private_key(name: str, curve: ec.EllipticCurve) -> None:
    ec.derive_private_key(CURVE_ORDERS[name] - 1, curve)
    with pytest.raises(ValueError):
        ec.derive_private_key(CURVE_ORDERS[name], curve)
