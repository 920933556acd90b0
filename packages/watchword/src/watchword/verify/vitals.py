"""Reading how a verifier's parts are, and putting it into one value.

Changes nothing and judges no token.
"""

from __future__ import annotations

from watchword.verify.feed import Feed
from watchword.verify.health import Health
from watchword.verify.keys import KeySource, RemoteKeys
from watchword.verify.revocation import RevocationView
from watchword.verify.staleness import StalenessPolicy


def health_of(
    keys: KeySource,
    feed: Feed | None,
    view: RevocationView | None,
    staleness: StalenessPolicy,
    *,
    keys_at_hand: int,
    cached_tokens: int,
    refuses_when_stale: bool,
) -> Health:
    """Ask a verifier's parts how they are. Does no I/O."""
    remote = keys if isinstance(keys, RemoteKeys) else None
    stale = (view is not None and view.full) or (feed is not None and not feed.freshness.fresh())
    push = None if feed is None else feed.push
    return Health(
        ready=keys_at_hand > 0 and not (stale and refuses_when_stale),
        keys=keys_at_hand,
        keys_age=0.0 if remote is None else remote.age(),
        keys_error=None if remote is None else remote.error,
        revocations=None if view is None else len(view),
        revocations_age=None if feed is None else feed.freshness.age(),
        revocations_full=view is not None and view.full,
        revocations_error=None if feed is None else feed.error,
        accepted_while_stale=staleness.accepted,
        cached_tokens=cached_tokens,
        revocations_bytes=None if view is None else view.estimated_bytes(),
        mode=None if feed is None else feed.mode,
        lease_left=None if feed is None else max(0.0, feed.settings.max_staleness - feed.freshness.age()),
        refused_while_stale=staleness.refused,
        introspected=staleness.due,
        renewals=0 if feed is None else feed.renewals,
        forged_answers=0 if feed is None else feed.forged,
        pushed_batches=0 if push is None else push.batches,
        push_error=None if push is None else push.error,
    )
