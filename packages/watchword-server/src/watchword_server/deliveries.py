"""What is told to others, put together: translators of the revocation log, couriers of the outbox, the SSF transmitter, status lists.

Holds no rule; like app.py it is read to see what stands on what. A protocol that is told of cut-offs adds its translator and
its courier to `deliveries`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import SecretStr
from watchword.verify.policy import Policy

from watchword_server import entropy
from watchword_server.app import Services
from watchword_server.endpoints.global_revocation import PATH as GLOBAL_REVOCATION_PATH
from watchword_server.endpoints.global_revocation import GlobalRevocation
from watchword_server.endpoints.ssf.routes import SsfTransmitter
from watchword_server.endpoints.status_list import TYP as STATUS_LIST_TYPE
from watchword_server.endpoints.status_list import StatusLists
from watchword_server.keys.installation import sealer_of
from watchword_server.keys.ring import ALGORITHMS
from watchword_server.outbox.backoff import Backoff
from watchword_server.outbox.courier import Courier
from watchword_server.outbox.follower import LogFollower, Translator
from watchword_server.outbox.worker import OutboxWorker, Pace
from watchword_server.revocation.own_view import OwnView
from watchword_server.settings.tree import Settings
from watchword_server.ssf.courier import PushCourier
from watchword_server.ssf.names import PUSH_KIND, SET_TYPE
from watchword_server.ssf.polling import Polling
from watchword_server.ssf.streams import StreamManager
from watchword_server.ssf.translator import SignalTranslator
from watchword_server.tokens.backchannel_logout import KIND as LOGOUT_KIND
from watchword_server.tokens.backchannel_logout import LogoutCourier, LogoutTranslator
from watchword_server.tokens.machines import Machines
from watchword_server.web.stack import body_limits


def deliveries(services: Services) -> tuple[LogFollower, OutboxWorker]:
    """What turns the revocation log into deliveries, and what delivers them; not begun yet."""
    settings = services.settings
    translators: list[Translator] = [LogoutTranslator(services.store, services.oauth.clients)]
    couriers: dict[str, Courier] = {
        LOGOUT_KIND: LogoutCourier(
            services.oauth.clients,
            services.oauth.id_tokens,
            services.outgoing,
            services.clock,
            issuer=settings.issuer,
        )
    }
    if settings.ssf.enabled:
        translators.append(
            SignalTranslator(
                services.store,
                issuer=settings.issuer,
                by_default=settings.ssf.default_subjects == "ALL",
                most_queued=settings.ssf.max_queued,
                identifier=entropy.identifier,
            )
        )
        couriers[PUSH_KIND] = PushCourier(
            services.store, services.outgoing, sign=_event_signing(services), sealer=sealer_of(services.settings)
        )
    worker = OutboxWorker(
        services.store,
        couriers,
        services.metrics,
        clock=services.clock,
        identifier=entropy.identifier,
        fraction=entropy.fraction,
        pace=Pace(concurrency=settings.outbox.concurrency, per_destination=settings.outbox.per_destination),
        backoff=Backoff(give_up_after=settings.outbox.give_up_after),
    )
    follower = LogFollower(
        services.store, translators, services.metrics, enqueued=worker.stir, fraction=entropy.fraction
    )
    return follower, worker


def ssf_transmitter(services: Services) -> SsfTransmitter:
    """The endpoints of security events. A client may ask for a token that is meant for them alone (RFC 8707)."""
    settings = services.settings
    streams = StreamManager(
        services.store,
        services.outgoing,
        issuer=settings.issuer,
        sealer=sealer_of(services.settings),
        clock=services.clock,
        identifier=entropy.identifier,
        most_streams=settings.ssf.max_streams,
        verification_interval=settings.ssf.verification_interval,
    )
    polling = Polling(
        services.store,
        sign=_event_signing(services),
        wait=min(settings.ssf.poll_wait, settings.server.request_timeout / 2),
        most_held=settings.ssf.max_pollers,
    )
    return SsfTransmitter(
        _machines(services, settings.ssf.receivers, access_tokens=settings.ssf.access_tokens, audience="/ssf"),
        streams,
        polling,
        issuer=settings.issuer,
        default_subjects=settings.ssf.default_subjects,
        limits=body_limits(settings),
    )


def status_lists(services: Services) -> StatusLists:
    """The lists of dead sessions."""
    return StatusLists(
        services.store,
        lambda payload: services.keys.signer(STATUS_LIST_TYPE).sign(payload),
        issuer=services.settings.issuer,
        ttl=services.settings.status_lists.ttl,
        clock=services.clock,
    )


def delivery_members(settings: Settings) -> dict[str, str]:
    """What discovery says of these endpoints: only what is on."""
    if not settings.global_revocation.enabled:
        return {}
    return {"global_token_revocation_endpoint": f"{settings.issuer}{GLOBAL_REVOCATION_PATH}"}


def global_revocation(services: Services) -> GlobalRevocation:
    """The endpoint by which trusted machines end all that one account has."""
    settings = services.settings
    return GlobalRevocation(
        _machines(
            services,
            settings.global_revocation.callers,
            access_tokens=settings.global_revocation.access_tokens,
            audience=GLOBAL_REVOCATION_PATH,
        ),
        services.store,
        services.sessions,
        issuer=settings.issuer,
        limits=body_limits(settings),
    )


def _machines(services: Services, known: Mapping[str, SecretStr], *, access_tokens: bool, audience: str) -> Machines:
    """Who may call. A client may ask for a token that is meant for this alone (RFC 8707): ``audience`` under the issuer."""
    settings = services.settings
    leeway = settings.tokens.leeway
    return Machines(
        known,
        access_tokens=access_tokens,
        policy=Policy(
            issuer=settings.issuer,
            audience=(settings.audience, f"{settings.issuer}{audience}"),
            algorithms=tuple(sorted(ALGORITHMS)),
            leeway=leeway,
        ),
        trusted_keys=lambda: services.keys.key_set,
        view=OwnView(services.feed, services.clock, leeway=leeway),
        clock=services.clock,
    )


def _event_signing(services: Services) -> Callable[[bytes], str]:
    """Signs a security event by the key of the moment."""
    return lambda payload: services.keys.signer(SET_TYPE).sign(payload)
