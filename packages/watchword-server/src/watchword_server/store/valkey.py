"""The denylist's keys in a Redis (6.2 or newer) or Valkey: the only importer of its driver.

Knows no cut-off: it is given keys and values, and knows of values only how two of one key merge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from hashlib import sha1
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from watchword_server.store.denylist import DenylistUnavailable, Look, Outcome, Page

CONNECT_TIMEOUT: Final = 2.0
ANSWER_TIMEOUT: Final = 5.0
CLOCK_TOLERANCE: Final = 20_000
"""Milliseconds by which its clock and the store's may drift apart before all keys are written again. Under the minute
that a cut-off outlives what it kills."""

T = TypeVar("T")

_APPLY: Final = """
local place, heartbeat = KEYS[1], KEYS[2]
local stamp = redis.call('TIME')
local now = stamp[1] * 1000 + math.floor(stamp[2] / 1000)
local known = redis.call('HMGET', place, 'at', 'skew')
if (known[1] or '') ~= ARGV[1] then
  return 'moved'
end
local skew = now - tonumber(ARGV[3])
if known[2] and math.abs(skew - tonumber(known[2])) > tonumber(ARGV[4]) then
  redis.call('DEL', place, heartbeat)
  return 'clock'
end

local function parts(value)
  return string.match(value, '^(%d+);(%d+);(.*)$')
end
-- What kills exactly what either kills: the higher position decides, but for the session it spares, which the lower one
-- kills up to its own position, or, sparing the same session, up to its floor.
local function merged(held, new)
  local low, low_floor, low_spares = parts(held)
  local high, floor, spares = parts(new)
  if not low or not high then
    return new
  end
  if tonumber(low) > tonumber(high) then
    low, low_floor, low_spares, high, floor, spares = high, floor, spares, low, low_floor, low_spares
  end
  local reach = low_spares == spares and low_floor or low
  if spares ~= '' and tonumber(reach) > tonumber(floor) then
    floor = reach
  end
  return high .. ';' .. floor .. ';' .. spares
end

for i = 3, #KEYS do
  local value, hold = ARGV[2 * i + 2], tonumber(ARGV[2 * i + 3])
  local held = redis.call('GET', KEYS[i])
  if held then
    value = merged(held, value)
    hold = math.max(hold, redis.call('PTTL', KEYS[i]))
  end
  redis.call('SET', KEYS[i], value, 'PX', string.format('%.0f', hold))
end

redis.call('HSET', place, 'at', ARGV[2])
if not known[2] then
  redis.call('HSET', place, 'skew', string.format('%.0f', skew))
end
local asked = tonumber(ARGV[6])
local left = tonumber(ARGV[7]) - (now - asked)
local told = tonumber(string.match(redis.call('GET', heartbeat) or '', '^%d+;(%d+)$'))
local newer = told and told > asked and told <= now
if ARGV[5] ~= '' and asked <= now and left > 0 and not newer then
  redis.call('SET', heartbeat, ARGV[5] .. ';' .. ARGV[6], 'PX', string.format('%.0f', left))
end
return 'applied'
"""
"""One script, so one act: the place says up to where the keys hold the log, in whatever state they are ever found."""

_APPLY_SHA: Final = sha1(_APPLY.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script, no secret


class ValkeyKeys:
    """The keys of one denylist. Connects when first used, and again by itself."""

    def __init__(self, url: str, *, place: str, heartbeat: str) -> None:
        """``place`` and ``heartbeat``: the names of the two keys beside the entries."""
        self._place = place
        self._heartbeat = heartbeat
        verified: dict[str, Any] = (
            {"ssl_cert_reqs": "required", "ssl_check_hostname": True} if url.startswith("rediss:") else {}
        )
        self._client: Redis = Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,
            socket_timeout=ANSWER_TIMEOUT,
            socket_connect_timeout=CONNECT_TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # the writer tries again itself, from a new look
            **verified,
        )

    async def look(self) -> Look:
        """Where the denylist is. Raises DenylistUnavailable."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hget(self._place, "at")
        pipeline.get(self._heartbeat)
        (seconds, micros), at, as_of = await _answered(pipeline.execute())
        return Look(int(seconds) * 1000 + int(micros) // 1000, at or "", as_of)

    async def apply(self, page: Page) -> Outcome:
        """Write a page, all or nothing. Raises DenylistUnavailable."""
        keys = [self._place, self._heartbeat, *(entry.key for entry in page.entries)]
        head = "" if page.head is None else str(page.head)
        given: list[str | int] = [page.expected, page.cursor, page.read_at, CLOCK_TOLERANCE, head, page.asked]
        given.append(page.stays)
        for entry in page.entries:
            given += (entry.value, entry.hold)
        return Outcome(await _answered(self._run(len(keys), *keys, *given)))

    async def require_keeping(self) -> None:
        """Raise DenylistUnavailable when it may evict keys: a cut-off that is evicted is a revoked token accepted."""
        memory = await _answered(self._client.info("memory"))
        policy = memory.get("maxmemory_policy")
        if policy != "noeviction" and memory.get("maxmemory") != 0:
            raise DenylistUnavailable(
                f"it may evict keys before they expire (maxmemory-policy is {policy}); set maxmemory-policy noeviction"
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _run(self, *arguments: str | int) -> Any:
        try:
            return await self._client.execute_command("EVALSHA", _APPLY_SHA, *arguments)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await self._client.execute_command("EVAL", _APPLY, *arguments)  # type: ignore[no-untyped-call]


async def _answered(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise DenylistUnavailable(f"{type(error).__name__}: {error}") from error
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # The driver has been seen to lose a cancellation that came together with an answer: a server that waits for
            # its writer would then never stop.
            raise asyncio.CancelledError
