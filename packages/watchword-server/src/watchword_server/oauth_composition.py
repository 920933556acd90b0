"""The composition of what OAuth stands on: clients, entitlements, proofs, tokens of clients.

As app.py, whose half it is: holds no rule and no route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watchword.clock import Clock
from watchword.oauth.names import GrantType
from watchword.verify.dpop_nonces import DpopNonces

from watchword_server import entropy
from watchword_server.accounts.profiles import ProfileService
from watchword_server.clients.administration import ClientAdministration
from watchword_server.clients.answer_encryption import AnswerEncryption, encryption_algorithms
from watchword_server.clients.authentication import ClientAuthenticator
from watchword_server.clients.client_keys import ClientKeys
from watchword_server.clients.client_request import ClientRequests
from watchword_server.clients.configuration import ClientRefused, configured_clients
from watchword_server.clients.directory import ClientDirectory, ClientSource, ConfiguredClients, StoredClients
from watchword_server.clients.dynamic import DynamicRegistration
from watchword_server.clients.entitlement import Entitlements
from watchword_server.clients.metadata import ClientSettings
from watchword_server.clients.metadata_document import MetadataDocuments
from watchword_server.clients.registration import RegistrationRules, judge
from watchword_server.clients.tls_authentication import CertificateAuthentication
from watchword_server.clients.trusted_issuers import TrustedIssuers
from watchword_server.keys.installation import derived_key, sealer_of
from watchword_server.keys.ring import KeyRing
from watchword_server.settings.tree import Settings
from watchword_server.store.port import Store
from watchword_server.tokens.api_keys import PREFIX as KEY_PREFIX
from watchword_server.tokens.api_keys import ApiKeyService
from watchword_server.tokens.client_sessions import ClientSessions
from watchword_server.tokens.device_throttle import DeviceThrottle
from watchword_server.tokens.id_token import IdTokens
from watchword_server.tokens.identity_assertion import IdentityAssertions
from watchword_server.tokens.issuer import AccessTokenIssuer
from watchword_server.tokens.proofs import Proofs
from watchword_server.tokens.reading import TokenReader
from watchword_server.tokens.rotation import Rotation
from watchword_server.tokens.subjects import Subjects
from watchword_server.web.client_certificate import client_certificate
from watchword_server.web.metrics import Metrics
from watchword_server.web.outgoing import OutgoingRequests
from watchword_server.web.stack import body_limits

TOKEN_PATH = "/token"  # noqa: S105 - a path
PUSHED_PATH = "/par"
GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:device_code",
)
"""What clients may register for, whatever the settings."""
AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")
TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
_SECRET = "client_secret"  # noqa: S105 - a purpose of sealing


@dataclass(frozen=True, slots=True)
class OAuthServices:
    """What the OAuth endpoints, the administration of clients and the command line stand on."""

    configured: ConfiguredClients
    clients: ClientDirectory
    administration: ClientAdministration
    dynamic: DynamicRegistration
    entitlements: Entitlements
    client_keys: ClientKeys
    authenticator: ClientAuthenticator
    requests: ClientRequests
    proofs: Proofs
    subjects: Subjects
    id_tokens: IdTokens
    reader: TokenReader
    api_keys: ApiKeyService
    sessions: ClientSessions
    profiles: ProfileService
    devices: DeviceThrottle
    trusted_issuers: TrustedIssuers | None
    """None: nobody's word is taken, and the JWT bearer grant does not exist."""
    identity_assertions: IdentityAssertions


def asks_certificates(settings: Settings) -> bool:
    """Whether client certificates reach this server: from its own TLS, or from the proxy that ends it."""
    return settings.server.tls_client_ca is not None or settings.server.client_certificate_header is not None


def _called(settings: Settings, path: str) -> tuple[str, ...]:
    """The URLs of one endpoint: at the issuer, and where clients show certificates (RFC 8705 §5)."""
    origins = (settings.issuer, settings.server.mtls_url)
    return tuple(origin + path for origin in origins if origin is not None)


def grant_types(settings: Settings) -> tuple[str, ...]:
    """What clients may register for by these settings."""
    return (*GRANT_TYPES, GrantType.JWT_BEARER) if settings.trusted_issuers else GRANT_TYPES


def _trusted_issuers(
    settings: Settings, store: Store, clock: Clock, outgoing: OutgoingRequests
) -> TrustedIssuers | None:
    if not settings.trusted_issuers:
        return None
    return TrustedIssuers(
        settings.trusted_issuers,
        # Not the memory of clients' keys: theirs are many, and must not push out these.
        keys=ClientKeys(outgoing, clock),
        replays=store,
        clock=clock,
        issuer=settings.issuer,
        token_endpoints=_called(settings, TOKEN_PATH),
    )


def compose_oauth(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    keys: KeyRing,
    issuer: AccessTokenIssuer,
    rotation: Rotation,
    outgoing: OutgoingRequests,
    metrics: Metrics,
    admit: Callable[[str | None], Awaitable[int | None]],
    session_identifier: Callable[[], str],
) -> OAuthServices:
    """The services over an open store; ``admit`` counts clients that register from an address. Raises ClientRefused for a configured client that cannot be used."""
    sealer = sealer_of(settings)
    if settings.oauth.request_object_encryption and not encryption_algorithms():
        raise ClientRefused("oauth.request_object_encryption: install watchword[jwe]")
    rules = RegistrationRules(
        grant_types=grant_types(settings),
        auth_methods=(*AUTH_METHODS, *TLS_METHODS) if asks_certificates(settings) else AUTH_METHODS,
        algorithms=settings.oauth.id_token_algorithms,
        encryption=encryption_algorithms(),
        request_encryption=settings.oauth.request_object_encryption,
    )
    configured = ConfiguredClients(
        configured_clients(settings.clients, rules, lambda name, raw: sealer.seal(raw, purpose=_SECRET, name=name))
    )
    sources: list[ClientSource] = [configured, StoredClients(store)]
    own = settings.self_registration
    if own.metadata_documents:
        sources.append(MetadataDocuments(outgoing, lambda metadata: judge(metadata, rules), clock))
    directory = ClientDirectory(sources)
    entitlements = Entitlements(settings)
    administration = ClientAdministration(
        store,
        rules,
        lambda name, raw: sealer.seal(raw, purpose=_SECRET, name=name),
        reserved=configured,
        outgoing=outgoing,
    )
    client_keys = ClientKeys(outgoing, clock)
    authenticator = ClientAuthenticator(
        clients=directory,
        keys=client_keys,
        replays=store,
        open_secret=lambda name, sealed: sealer.open(sealed, purpose=_SECRET, name=name),
        clock=clock,
        issuer=settings.issuer,
        # RFC 9126 §2: the issuer, the token endpoint and the endpoint of pushed requests are all accepted.
        audiences=(settings.issuer, *_called(settings, TOKEN_PATH), *_called(settings, PUSHED_PATH)),
        assertion_lifetime=settings.oauth.assertion_lifetime,
        tls=CertificateAuthentication(client_keys, clock) if asks_certificates(settings) else None,
    )
    subjects = Subjects(derived_key(settings, "pairwise"))
    id_tokens = IdTokens(
        signers=keys,
        subjects=subjects,
        issuer=settings.issuer,
        lifetime=settings.oauth.id_token_lifetime,
        encryption=AnswerEncryption(client_keys),
    )
    nonces = DpopNonces(derived_key(settings, "dpop-nonce")) if settings.oauth.dpop_nonce else None
    return OAuthServices(
        configured=configured,
        clients=directory,
        administration=administration,
        dynamic=DynamicRegistration(
            administration,
            store,
            mode=own.dynamic,
            scopes=entitlements.self_registered,
            settings=ClientSettings(pkce_exempt=own.pkce_exempt),
            outgoing=outgoing,
            admit=admit,
            key=derived_key(settings, "registration-token"),
        ),
        entitlements=entitlements,
        client_keys=client_keys,
        authenticator=authenticator,
        requests=ClientRequests(
            authenticator, body_limits(settings), lambda request: client_certificate(request.scope)
        ),
        proofs=Proofs(
            replays=store, clock=clock, issuer=settings.issuer, nonces=nonces, max_age=settings.oauth.dpop_max_age
        ),
        subjects=subjects,
        id_tokens=id_tokens,
        reader=TokenReader(store, lambda: keys.key_set, clock, issuer=settings.issuer),
        api_keys=ApiKeyService(
            store,
            directory,
            entitlements,
            issuer.claims,
            settings.api_keys,
            metrics,
            clock,
            secret=lambda: entropy.prefixed(KEY_PREFIX.rstrip("_")),
            identifier=entropy.identifier,
        ),
        sessions=ClientSessions(
            issuer=issuer,
            rotation=rotation,
            id_tokens=id_tokens,
            entitlements=entitlements,
            people=store,
            absolute=settings.sessions.absolute,
            identifier=session_identifier,
        ),
        profiles=ProfileService(store, clock),
        devices=DeviceThrottle(store, settings.throttle, secret=derived_key(settings, "device-throttle"), clock=clock),
        trusted_issuers=_trusted_issuers(settings, store, clock, outgoing),
        identity_assertions=IdentityAssertions(
            keys=keys,
            people=store,
            clients=directory,
            subjects=subjects,
            clock=clock,
            issuer=settings.issuer,
            random_bytes=entropy.random_bytes,
        ),
    )
