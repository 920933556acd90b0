"""Streams that end with their token, whatever the framework.

Imports no web framework; what WebSockets need is beside the framework they belong to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Final, Protocol, TypeVar

from watchword.verify.access_token import AccessToken
from watchword.verify.staleness import WhenStale
from watchword.verify.watch import TokenEnded, Watch

_Item = TypeVar("_Item")
_END: Final[Any] = object()


class WatchingVerifier(Protocol):
    """What is asked of a verifier here; `watchword.Verifier` is one."""

    def watch(
        self, token: AccessToken, *, max_staleness: float | None = None, when_stale: WhenStale | None = None
    ) -> Watch: ...


async def until_revoked(
    token: AccessToken,
    verifier: WatchingVerifier,
    source: AsyncIterable[_Item],
    *,
    max_staleness: float | None = None,
    when_stale: WhenStale | None = None,
) -> AsyncGenerator[_Item, None]:
    """The items of ``source``, until it ends or the token does: cut off, expired, or not to be told any more.

    For server-sent events and every other answer that goes on: ``StreamingResponse(until_revoked(token, verifier,
    events()))``. Waiting for the next item ends the moment the token does; ``source`` is then closed. ``max_staleness``
    and ``when_stale`` as in `Verifier.verify`.

    Does not take back what was handed out already and waits in the buffers of a slow client.
    """
    iterator = aiter(source)

    async def following() -> _Item:
        item: _Item = await anext(iterator, _END)
        return item

    try:
        with verifier.watch(token, max_staleness=max_staleness, when_stale=when_stale) as watch:
            while True:
                try:
                    item = await watch.run(following())
                except TokenEnded:
                    return
                if item is _END or watch.ended is not None:
                    return
                yield item
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
