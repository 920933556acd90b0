"""Amazon CloudFront: canned and custom policies, signed with RSA and SHA-256 (``Hash-Algorithm=SHA256``).

Not with SHA-1, which CloudFront also takes: nothing here signs with that.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Final

import msgspec

from watchword.clock import Clock, system_clock
from watchword.jose.key import Key
from watchword.signedurl.binding import instant
from watchword.signedurl.cdn.parts import check_url, with_parameters

_ALPHABET: Final = bytes.maketrans(b"+=/", b"-_~")
_PARAMETERS: Final = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")


@dataclass(frozen=True, slots=True)
class CloudFront:
    """Signs for a distribution. ``key``: the private RSA key; ``key_pair_id``: the name CloudFront gave its public half.

    Raises: ValueError for a key that is not for RS256.
    """

    key: Key
    key_pair_id: str
    clock: Clock = system_clock

    def __post_init__(self) -> None:
        if "RS256" not in self.key.signers:
            raise ValueError("CloudFront asks for a private RSA key")

    def sign(self, url: str, expires: float | timedelta | datetime) -> str:
        """By a canned policy: this very URL, until then. Raises: ValueError."""
        ends = instant(expires, self.clock.now())
        policy = self._policy(_one_resource(url), ends, None, None)
        return with_parameters(url, f"Expires={ends}&{self._signed(policy)}")

    def sign_policy(
        self,
        url: str,
        expires: float | timedelta | datetime,
        *,
        resource: str | None = None,
        not_before: datetime | None = None,
        client: str | None = None,
    ) -> str:
        """By a custom policy: for ``resource``, which may hold ``*`` and ``?`` as wildcards, from and to a time, from a
        network of IPv4. Raises: ValueError.
        """
        now = self.clock.now()
        network = None if client is None else str(ip_network(client))
        policy = self._policy(
            resource or _one_resource(url),
            instant(expires, now),
            None if not_before is None else instant(not_before, now),
            network,
        )
        return with_parameters(check_url(url, *_PARAMETERS), f"Policy={_encoded(policy)}&{self._signed(policy)}")

    @staticmethod
    def _policy(resource: str, ends: int, begins: int | None, network: str | None) -> bytes:
        condition: dict[str, object] = {"DateLessThan": {"AWS:EpochTime": ends}}
        if network is not None:
            condition["IpAddress"] = {"AWS:SourceIp": network}
        if begins is not None:
            condition["DateGreaterThan"] = {"AWS:EpochTime": begins}
        # CloudFront puts a canned policy together anew: its members must stand in this order, without white space.
        return msgspec.json.encode({"Statement": [{"Resource": resource, "Condition": condition}]})

    def _signed(self, policy: bytes) -> str:
        signature = _encoded(self.key.signers["RS256"](policy))
        return f"Signature={signature}&Key-Pair-Id={self.key_pair_id}&Hash-Algorithm=SHA256"


def _one_resource(url: str) -> str:
    """A URL as the resource of a policy. Raises: ValueError, also for an asterisk, which would sign many.

    In a canned policy too: whoever holds its signature may show the same policy as a custom one.
    """
    if "*" in check_url(url, *_PARAMETERS):
        raise ValueError("an asterisk in the URL would be a wildcard: encode it as %2A, or name a resource")
    return url


def _encoded(value: bytes) -> str:
    return b64encode(value).translate(_ALPHABET).decode("ascii")
