"""Fuzz compact JWS: a token is verified, or refused by JoseError; and only the tokens signed here verify."""

from __future__ import annotations

from mutation import main
from watchword.jose import JoseError, Key, KeySet, Signer, parse, verify
from watchword.jose.algorithms import ALGORITHMS
from watchword.jose.base64url import encode
from watchword.jose.jws import verify_with_embedded_key

KEYS = [Key.generate(name, kid=name) for name in ("ES256", "EdDSA", "RS256", "PS256", "ES512")]
SECRET = Key.generate("HS256", kid="HS256")
TRUSTED = [KeySet(key.public() for key in KEYS), KeySet([SECRET]), *(key.public() for key in KEYS), SECRET]
TOKENS = [Signer(key, typ="at+jwt").sign(b'{"sub":"alice","exp":1763666000}') for key in [*KEYS, SECRET]]
PROOF = Signer(KEYS[0], typ="dpop+jwt", header={"jwk": KEYS[0].public_jwk()}).sign(b'{"htm":"GET"}')

SEEDS = [token.encode() for token in [*TOKENS, PROOF, "e30.e30."]]
HEADERS = [
    b'{"alg":"none"}',
    b'{"alg":"HS256","alg":"none"}',
    b'{"alg":"ES256","crit":["b64"],"b64":false}',
    b'{"alg":"ES256","kid":1}',
    b'{"alg":"ES256","jku":"https://evil.example/"}',
    b'{"alg":"HS256","x":[[[[[[1]]]]]]}',
    b'{"alg":"ES256","x":1e999}',
]
SEEDS += [f"{encode(header)}.e30.{encode(bytes(64))}".encode() for header in HEADERS]
WORDS = [b".", b"..", b"=", b"==", b"+", b"/", b" ", b"\n", b"\x00", b"\xc3\xa9", b"e30", b"AAAA", b"?"]
WORDS += [encode(header).encode() for header in HEADERS]


def target(data: bytes) -> str:
    """The outcome is the reason of the refusal, or how the token was accepted."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parsed = parse(text)
    except JoseError as error:
        return f"parse: {error.reason}"
    assert parsed.signing_input + b"." + encode(parsed.signature).encode() == data
    outcome = "refused"
    for trusted in TRUSTED:
        try:
            verify(text, trusted, algorithms=ALGORITHMS.keys())
        except JoseError as error:
            outcome = f"verify: {error.reason}"
        else:
            assert text in TOKENS, "a token nobody signed was accepted"
            return "accepted"
    try:
        verify_with_embedded_key(text, algorithms=ALGORITHMS.keys())
    except JoseError as error:
        return f"{outcome}; embedded: {error.reason}"
    assert text == PROOF, "a proof nobody signed was accepted"
    return "accepted as proof"


if __name__ == "__main__":
    main(target, SEEDS, WORDS)
