"""Authorization details (RFC 9396): what a client may ask for beyond scopes, read, judged and compared. Pure.

Grants nothing and asks nobody; what the members of a type mean, the resource that the token is for knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

import msgspec
from watchword.jose import strict_json
from watchword.jose.errors import JoseError
from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode

from watchword_server.clients.metadata import Client
from watchword_server.settings.details import DetailType

MAX_BYTES: Final = 3_072
"""Of the parameter: what is granted travels in an access token, and that in a header."""
MAX_DETAILS: Final = 8
MAX_DEPTH: Final = 6
"""Levels of nesting, of which the array of details is the first."""
_LISTS: Final = ("locations", "actions", "datatypes", "privileges")
"""Common members (RFC 9396 §2.2) that hold texts, so that a part of them is less."""
_WRAPPED: Final = "details"
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(tuple[dict[str, Any], ...]).decode

Details: TypeAlias = tuple[dict[str, Any], ...]


class DetailRules:
    """The types of one installation. ``may_target``: whether a client may ask for tokens for a resource."""

    def __init__(self, types: Mapping[str, DetailType], may_target: Callable[[Client, str], bool]) -> None:
        self._types = types
        self._may_target = may_target

    @property
    def types(self) -> tuple[str, ...]:
        """All that are known here."""
        return tuple(self._types)

    def words(self, detail: Mapping[str, Any]) -> str:
        """What people are asked for a detail of a known type."""
        return self._types[detail["type"]].words

    def asks_always(self, detail: Mapping[str, Any]) -> bool:
        """Whether people are asked for a detail of a known type however often they allowed it."""
        return self._types[detail["type"]].ask_always

    def remembered(self, details: Details) -> Details:
        """Of what a person allows now, that which need not be asked for again."""
        return tuple(one for one in details if not self.asks_always(one))

    def read(self, client: Client, text: str | None, *, without_person: bool = False) -> Details:
        """The details of a request; none without the parameter. ``without_person``: for the client's own token.

        Raises OAuthError ``invalid_authorization_details`` (RFC 9396 §5) for what is malformed, too much, of an unknown type
        or of one that is not this client's, or has a member or value that its type does not know.
        """
        if text is None:
            return ()
        details = parse_details(text)
        if len({_encode(one) for one in details}) != len(details):
            _refuse("the same is asked for twice")
        for one in details:
            self._judge(client, one, without_person=without_person)
        return details

    def allows(self, client: Client, detail: Mapping[str, Any]) -> bool:
        """Whether a detail that was granted is one that this client may have."""
        try:
            self._judge(client, detail, without_person=False)
        except OAuthError:
            return False
        return True

    def _judge(self, client: Client, detail: Mapping[str, Any], *, without_person: bool) -> None:
        # RFC 9396 §5: the AS MUST refuse to process any unknown authorization details type.
        kind = self._types.get(detail["type"]) if isinstance(detail.get("type"), str) else None
        if kind is None:
            _refuse("a type is unknown")
        # RFC 9396 §10: what the client registered is what it may ask for; without, nothing.
        if detail["type"] not in client.metadata.authorization_details_types:
            _refuse("a type is not registered for this client")
        if without_person and not kind.without_person:
            _refuse("a type needs a person who allows it, and there is none")
        for name in _LISTS:
            if name in detail and not _is_texts(detail[name]):
                _refuse(f"{name} is not an array of texts, each once")
        if not isinstance(detail.get("identifier", ""), str):
            _refuse("identifier is not text")
        if kind.members is not None and not detail.keys() <= {"type", "locations", "actions", *kind.members}:
            # RFC 9396 §5: nor objects that contain unknown fields.
            _refuse("a member is not one of its type")
        self._judge_values(client, detail, kind)

    def _judge_values(self, client: Client, detail: Mapping[str, Any], kind: DetailType) -> None:
        for name, allowed in (("actions", kind.actions), ("locations", kind.locations)):
            if allowed is None:
                continue
            if not detail.get(name):
                # Left out, it could be read as all there are.
                _refuse(f"{name} is missing")
            if not set(detail[name]) <= set(allowed):
                _refuse(f"{name} has a value that its type does not know")
        if not all(self._may_target(client, one) for one in detail.get("locations", ())):
            _refuse("a location is unknown, or not for this client")


def parse_details(text: str) -> Details:
    """Details out of a parameter, of whatever types. Raises OAuthError ``invalid_authorization_details``."""
    try:
        # As a member of an object, since whole objects alone are decoded strictly.
        raw = b'{"%s":%s}' % (_WRAPPED.encode(), text.encode())
        # The object around it is a level, and so many bytes, more.
        found = strict_json.decode_object(raw, max_depth=MAX_DEPTH + 1, max_bytes=MAX_BYTES + len(_WRAPPED) + 5)
    except (JoseError, UnicodeEncodeError):
        _refuse("it is not JSON with one meaning, or too long or too deep")
    details = found.get(_WRAPPED)
    # More members: the text has closed its array, and gone on.
    if len(found) != 1 or not isinstance(details, list) or not 0 < len(details) <= MAX_DETAILS:
        _refuse(f"it is not an array of one to {MAX_DETAILS} objects")
    if not all(isinstance(one, dict) for one in details):
        _refuse(f"it is not an array of one to {MAX_DETAILS} objects")
    return tuple(details)


def _is_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and one for one in value)
        and len(set(value)) == len(value)
    )


def locations(details: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where details are to be used: resources (RFC 8707) that a token with them is for."""
    return tuple(dict.fromkeys(place for one in details for place in one.get("locations", ())))


def meant_for(details: Details, audience: str | Iterable[str] | None) -> Details:
    """The part of details that concerns an audience (RFC 9396 §9.1: others learn nothing of them).

    Details without locations concern whomever the token is for.
    """
    known = {audience} if isinstance(audience, str) else set(audience or ())
    return tuple(one for one in details if "locations" not in one or not known.isdisjoint(one["locations"]))


def is_part(asked: Details, granted: Details) -> bool:
    """Whether each detail asked for is one that was granted, or less of one: fewer locations, actions, datatypes or
    privileges, and all else the same (RFC 9396 §6.1).
    """
    return all(any(_is_within(one, whole) for whole in granted) for one in asked)


def _is_within(asked: Mapping[str, Any], granted: Mapping[str, Any]) -> bool:
    # A member left out or added could mean more, as a list that is not there can mean everything.
    if asked.keys() != granted.keys():
        return False
    for name, value in asked.items():
        if name in _LISTS:
            if not set(value) <= set(granted[name]):
                return False
        # As JSON: to Python 1 and true are equal.
        elif _encode(value) != _encode(granted[name]):
            return False
    return True


def still(asked: Details | None, granted: Details, may: Callable[[Mapping[str, Any]], bool] | None) -> Details | None:
    """What a token of its family gets: the part asked for, or all, as far as the client may still have it. None when more
    is asked for than was granted.
    """
    if asked is not None and not is_part(asked, granted):
        return None
    wanted = granted if asked is None else asked
    return wanted if may is None else tuple(one for one in wanted if may(one))


def added(details: Details, before: bytes) -> Details:
    """Of details those that are not, word for word, among the ones kept before."""
    known = {_encode(one) for one in decode_details(before)}
    return tuple(one for one in details if _encode(one) not in known)


def encode_details(details: Details) -> bytes:
    """As JSON, to be kept; nothing for none."""
    return _encode(details) if details else b""


def decode_details(document: bytes) -> Details:
    """Details from their JSON; for what this server wrote itself."""
    return _decode(document) if document else ()


def _refuse(why: str) -> NoReturn:
    raise OAuthError(ErrorCode.INVALID_AUTHORIZATION_DETAILS, f"authorization_details: {why}")
