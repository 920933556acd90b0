"""What `watchword tokens inspect --verify` answers: whether this server issued a token, and whether it is good now.

Decides by the library's check, the library's revocation view and the store; holds no rule of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchword.verify.access_token import AccessToken
from watchword.verify.check import check_access_token
from watchword.verify.errors import TokenRejected
from watchword.verify.policy import Policy
from watchword.verify.revocation import CutOff, RevocationView

from watchword_server.keys.ring import ALGORITHMS
from watchword_server.store.records import FamilyView
from watchword_server.tokens.refresh_token import parse

if TYPE_CHECKING:
    from watchword_server.app import Services

_PAGE = 5000


async def verdict(services: Services, raw: str, kind: str) -> str | None:
    """What is wrong with the token, or None when it is good now."""
    return await (_refresh_token(services, raw) if kind == "refresh_token" else _access_token(services, raw))


async def _access_token(services: Services, raw: str) -> str | None:
    settings = services.settings
    policy = Policy(
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=tuple(ALGORITHMS),
        leeway=settings.tokens.leeway,
    )
    try:
        token = check_access_token(raw, services.keys.key_set, policy, services.clock.now())
    except TokenRejected as rejected:
        return f"{rejected} ({rejected.reason})"
    axis = (await _revocations(services)).kills(token)
    if axis is not None:
        return f"it was cut off (axis {axis})"
    return await _session_fault(services, token)


async def _session_fault(services: Services, token: AccessToken) -> str | None:
    if token.sid is None:
        return None
    view = await services.store.session_view(token.sid, token.sub, jti=token.jti)
    if view is None or not view.alive:
        return "its session has ended"
    return None


async def _revocations(services: Services) -> RevocationView:
    view = RevocationView()
    batch = await services.store.cut_offs_after(None, limit=_PAGE)
    while True:
        view.apply(
            CutOff(
                position=entry.position,
                axis=entry.axis,
                value=entry.value,
                expires_in=max(0.0, entry.expires_at - batch.read_at),
                spares=entry.spares,
                floor=entry.floor,
            )
            for entry in batch.entries
        )
        if not batch.more:
            return view
        batch = await services.store.cut_offs_after(batch.cursor, limit=_PAGE)


async def _refresh_token(services: Services, raw: str) -> str | None:
    token = parse(raw)
    view = None if token is None else await services.store.family(token.family_id)
    if token is None or view is None:
        return "its family is not known here"
    secret = services.keys.mac_secret(token.key_id)
    if secret is None or token.key_id != view.family.key_id or not token.is_authentic(secret, view.family.salt):
        return "this server did not make it"
    if token.generation != view.family.generation:
        return f"it is generation {token.generation} and the newest is {view.family.generation}"
    return _family_fault(view)


def _family_fault(view: FamilyView) -> str | None:
    family, now = view.family, view.read_at
    if family.revoked_at is not None:
        return f"its family was revoked: {family.revoked_reason}"
    if view.session_ended or view.account.disabled_at is not None or family.rev < view.cut_off:
        return "its session has ended"
    if now >= min(family.idle_expires_at, family.expires_at):
        return "it has expired"
    return None
