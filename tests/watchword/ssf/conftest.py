"""A transmitter of the tests' own: a key, its set, and events signed by it."""

import json

import pytest
from watchword.jose.jwk import Key, KeySet
from watchword.jose.jws import Signer
from watchword.ssf import SESSION_REVOKED

ISSUER = "https://transmitter.example"
AUDIENCE = "https://receiver.example"
USER = {"format": "iss_sub", "iss": ISSUER, "sub": "ada"}


class Transmitter:
    def __init__(self, clock):
        self.clock = clock
        self.key = Key.generate("ES256")
        self.keys = (
            KeySet((self.key.public(),))
            if hasattr(self.key, "public")
            else KeySet.from_json(json.dumps({"keys": [self.key.public_jwk()]}).encode())
        )
        self.count = 0

    def claims(self, **members):
        self.count += 1
        given = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": int(self.clock.now()),
            "jti": f"j{self.count}",
            "sub_id": USER,
            "events": {SESSION_REVOKED: {"event_timestamp": int(self.clock.now())}},
        }
        return {name: value for name, value in (given | members).items() if value is not None}

    def event(self, *, typ="secevent+jwt", key=None, **members):
        payload = json.dumps(self.claims(**members)).encode()
        return Signer(key or self.key, algorithm="ES256", typ=typ).sign(payload)


@pytest.fixture
def transmitter(clock):
    return Transmitter(clock)
