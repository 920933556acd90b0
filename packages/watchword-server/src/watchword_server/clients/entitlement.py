"""What a client may ask for: scopes and resources, as the settings and its registration allow. Pure.

Grants nothing: a person consents, a role may be needed as well (tokens/claims.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from watchword.oauth.errors import OAuthError
from watchword.oauth.names import ErrorCode
from watchword.oauth.scope import parse_scope

from watchword_server.clients.details import DetailRules
from watchword_server.clients.encryption import Encrypt, encrypters
from watchword_server.clients.metadata import Client
from watchword_server.settings.oauth import STANDARD_SCOPES, resource_identifier
from watchword_server.settings.tree import Settings

MAX_RESOURCES: Final = 16

_WORDS: Final = {
    "openid": "Know who you are here",
    "profile": "See your name and profile",
    "email": "See your email address",
    "address": "See your postal address",
    "phone": "See your phone number",
    "offline_access": "Keep access while you are away",
}


@dataclass(frozen=True, slots=True)
class TokenForm:
    """How an access token is to be made."""

    opaque: bool = False
    lifetime: int | None = None
    """Seconds; None: the installation's."""
    encrypt: Encrypt | None = None
    """Of a token that only its resource may read."""


def came_by_itself(client: Client) -> bool:
    """Whether nobody here registered it."""
    return client.source in {"dynamic", "metadata_document"}


def longest_lifetime(settings: Settings) -> int:
    """Seconds that any access token may live by these settings: cut-offs are kept for so long. A client on record that
    asks for more gets this.
    """
    of_resources = [one.lifetime for one in settings.resources.values() if one.lifetime is not None]
    of_clients = [table.get("access_lifetime") for table in settings.clients]
    return max(settings.tokens.access_lifetime, *of_resources, *(one for one in of_clients if isinstance(one, int)), 0)


class Entitlements:
    """The rules of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._oauth = settings.oauth
        self._resources = settings.resources
        self._words = _WORDS | settings.scopes
        self._own = {settings.issuer, settings.audience}
        self._longest = longest_lifetime(settings)
        self._encrypters = encrypters(settings.resources)
        self.details = DetailRules(settings.authorization_details, self.may_target)
        """What may be asked for beyond scopes (RFC 9396)."""
        of_roles = {scope for role in settings.roles.values() for scope in role.scopes}
        of_resources = {scope for resource in settings.resources.values() for scope in resource.scopes}
        self.scopes: tuple[str, ...] = tuple(
            dict.fromkeys((*STANDARD_SCOPES, *settings.scopes, *sorted(of_roles | of_resources)))
        )
        """Every scope there is."""
        self._known = frozenset(self.scopes)
        self._allowed = lru_cache(maxsize=1024)(self._allowed_of)
        own = settings.self_registration.scopes
        self.self_registered: frozenset[str] = self._known.intersection(
            (*STANDARD_SCOPES, *settings.scopes, *of_resources) if own is None else own
        )
        """What a client that comes by itself may ask for: no scope that only a role of this server's own brings."""

    def words(self, scope: str) -> str:
        """What people are asked for this scope; its name where the settings have no words."""
        return self._words.get(scope, scope)

    def resource_name(self, resource: str) -> str:
        """What people are shown of a resource."""
        known = self._resources.get(resource)
        return resource if known is None or known.name is None else known.name

    def allowed_scope(self, client: Client) -> tuple[str, ...]:
        """All that this client may ask for."""
        return self._allowed(client.metadata.scope, came_by_itself(client))

    def _allowed_of(self, said: str | None, by_itself: bool) -> tuple[str, ...]:  # noqa: FBT001 - a key of a cache
        if by_itself:
            # Agents know by the metadata of a resource alone what to ask for, and their documents seldom name scopes.
            wanted = self.scopes if said is None else tuple(said.split(" "))
            return tuple(scope for scope in wanted if scope in self.self_registered)
        wanted = self._oauth.default_scopes if said is None else tuple(said.split(" "))
        return tuple(scope for scope in wanted if scope in self._known)

    def scope(self, client: Client, asked: str | None, resources: Sequence[str] = ()) -> tuple[str, ...]:
        """The scope of a request, in the order asked; without one, nothing (the caller has its own default).

        Raises OAuthError ``invalid_scope`` for a scope that is unknown, not this client's, or of none of the resources;
        for a client that came by itself only if nothing is left without these.
        """
        if asked is None:
            return ()
        tokens = parse_scope(asked)
        if came_by_itself(client):
            return self._part(client, tokens, resources)
        # RFC 6749 §3.3 lets a server ignore what a client may not have. To say so is kinder, and nothing is granted by
        # mistake.
        if not set(tokens) <= set(self.allowed_scope(client)):
            raise OAuthError(ErrorCode.INVALID_SCOPE, "a scope is unknown, or this client may not ask for it")
        if self.meaningful(tokens, resources) != tokens:
            raise OAuthError(ErrorCode.INVALID_SCOPE, "a scope means nothing at the resources named")
        return tokens

    def _part(self, client: Client, asked: tuple[str, ...], resources: Sequence[str]) -> tuple[str, ...]:
        # RFC 6749 §3.3: the server MAY partially ignore the scope requested. Agents ask for all that `scopes_supported`
        # lists when the resource does not say what it needs.
        allowed = frozenset(self.allowed_scope(client))
        part = self.meaningful(tuple(one for one in asked if one in allowed), resources)
        if not part:
            raise OAuthError(ErrorCode.INVALID_SCOPE, "no scope is known that this client may ask for")
        return part

    def meaningful(self, scope: tuple[str, ...], resources: Sequence[str]) -> tuple[str, ...]:
        """The part of a scope that means something at these resources; all of it where none of them says."""
        named = [self._resources.get(resource) for resource in resources]
        if not named or any(resource is None or not resource.scopes for resource in named):
            return scope
        known = frozenset(STANDARD_SCOPES).union(*(resource.scopes for resource in named if resource is not None))
        return tuple(one for one in scope if one in known)

    def resources(self, client: Client, asked: Iterable[str]) -> tuple[str, ...]:
        """The resources of a request (RFC 8707 §2), each once.

        Raises OAuthError ``invalid_target`` for one that is malformed, unknown, or not for this client.
        """
        unique = tuple(dict.fromkeys(asked))
        if len(unique) > MAX_RESOURCES:
            raise OAuthError(ErrorCode.INVALID_TARGET, "too many resources are named")
        for resource in unique:
            try:
                resource_identifier(resource)
            except ValueError:
                raise OAuthError(
                    ErrorCode.INVALID_TARGET, "a resource is an absolute URI without fragment (RFC 8707)"
                ) from None
            if not self.may_target(client, resource):
                raise OAuthError(ErrorCode.INVALID_TARGET, "a resource is unknown, or not for this client")
        return unique

    def knows(self, resource: str) -> bool:
        """Whether a resource is known here."""
        return resource in self._resources or resource in self._own

    def may_target(self, client: Client, resource: str) -> bool:
        """Whether a resource is known here, and for this client."""
        if not self.knows(resource):
            return False
        audiences = client.settings.audiences
        return audiences is None or resource in audiences or resource in self._own

    def token_form(self, client: Client, resources: Sequence[str]) -> TokenForm:
        """How access tokens of this client for these resources are made. The most careful wish wins: opaque if any says
        so, the shortest lifetime of all.
        """
        named = [self._resources[resource] for resource in resources if resource in self._resources]
        lifetimes = [resource.lifetime for resource in named if resource.lifetime is not None]
        if client.settings.access_lifetime is not None:
            lifetimes.append(client.settings.access_lifetime)
        # One envelope has one reader: a token for several resources cannot be encrypted, and tells nothing instead.
        encrypt = self._encrypters.get(resources[0]) if len(resources) == 1 else None
        return TokenForm(
            opaque=encrypt is None and self._is_opaque(client, [resource.format for resource in named]),
            lifetime=min(*lifetimes, self._longest) if lifetimes else None,
            encrypt=encrypt,
        )

    def _is_opaque(self, client: Client, of_resources: Sequence[str | None]) -> bool:
        # A token that its client can read must not tell it the account's id, which is the same for every client.
        if client.metadata.subject_type == "pairwise":
            return True
        if client.settings.access_token_format is not None and "jwe" not in of_resources:
            return client.settings.access_token_format == "opaque"  # noqa: S105 - the name of a format
        said = [form for form in of_resources if form is not None]
        return not {"opaque", "jwe"}.isdisjoint(said or [self._oauth.access_token_format])
