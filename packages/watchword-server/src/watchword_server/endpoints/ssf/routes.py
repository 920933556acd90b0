"""Requests and answers of the transmitter: `/.well-known/ssf-configuration`, `/ssf/*` (SSF 1.0 §7, §8; RFC 8936).

Decides nothing: tokens/machines.py says who asks, ssf/ what may be done.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchword_server.ssf.names import DELIVERY_METHODS
from watchword_server.ssf.polling import Poll, Polling
from watchword_server.ssf.streams import StreamManager, Wanted, status_of
from watchword_server.tokens.machines import Machines
from watchword_server.web.body import BodyLimits, read_json, read_optional_json
from watchword_server.web.documents import document_response
from watchword_server.web.metrics import held_for
from watchword_server.web.problem import ProblemError

MANAGE: Final = "ssf.manage"
READ: Final = "ssf.read"
CONFIGURATION_PATH: Final = "/.well-known/ssf-configuration"
POLL_PATH: Final = "/ssf/poll/{stream_id}"
CONFIGURATION_MAX_AGE: Final = 3600
_NO_STORE: Final = {"Cache-Control": "no-store"}


class _Stream(Wanted, frozen=True):
    """What a receiver says of a stream; what the transmitter decides may come along and is let be (§8.1.1.3)."""

    stream_id: str = ""
    iss: Any = None
    aud: Any = None
    events_supported: Any = None
    events_delivered: Any = None
    min_verification_interval: Any = None
    inactivity_timeout: Any = None


class _Status(msgspec.Struct, frozen=True):
    stream_id: str
    status: Literal["enabled", "paused", "disabled"]
    reason: str = ""


class _Subject(msgspec.Struct, frozen=True):
    stream_id: str
    subject: dict[str, Any]
    verified: bool | None = None


class _Verification(msgspec.Struct, frozen=True):
    stream_id: str
    state: str | None = None


def configuration(issuer: str, *, default_subjects: str) -> dict[str, Any]:
    """The transmitter's configuration (§7.1): only what works is listed."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "delivery_methods_supported": list(DELIVERY_METHODS),
        "configuration_endpoint": f"{issuer}/ssf/streams",
        "status_endpoint": f"{issuer}/ssf/status",
        "add_subject_endpoint": f"{issuer}/ssf/subjects/add",
        "remove_subject_endpoint": f"{issuer}/ssf/subjects/remove",
        "verification_endpoint": f"{issuer}/ssf/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}, {"spec_urn": "urn:ietf:rfc:6750"}],
        "default_subjects": default_subjects,
    }


class SsfTransmitter:
    """The endpoints."""

    def __init__(
        self,
        machines: Machines,
        streams: StreamManager,
        polling: Polling,
        *,
        issuer: str,
        default_subjects: str,
        limits: BodyLimits,
    ) -> None:
        self._machines = machines
        self._streams = streams
        self._polling = polling
        self._limits = limits
        self._configuration = msgspec.json.encode(configuration(issuer, default_subjects=default_subjects))
        self._etag = f'"{hashlib.sha256(self._configuration).hexdigest()[:32]}"'

    def routes(self) -> list[Route]:
        """Where they are mounted."""
        return [
            Route(CONFIGURATION_PATH, self.serve_configuration, methods=["GET"]),
            Route("/ssf/streams", self.create, methods=["POST"]),
            Route("/ssf/streams", self.read, methods=["GET"]),
            Route("/ssf/streams", self.update, methods=["PATCH"]),
            Route("/ssf/streams", self.replace, methods=["PUT"]),
            Route("/ssf/streams", self.delete, methods=["DELETE"]),
            Route("/ssf/status", self.read_status, methods=["GET"]),
            Route("/ssf/status", self.update_status, methods=["POST"]),
            Route("/ssf/subjects/add", self.add_subject, methods=["POST"]),
            Route("/ssf/subjects/remove", self.remove_subject, methods=["POST"]),
            Route("/ssf/verify", self.verify, methods=["POST"]),
            Route(POLL_PATH, self.poll, methods=["POST"]),
        ]

    async def serve_configuration(self, request: Request) -> Response:
        """Public, cacheable."""
        return document_response(request, self._configuration, self._etag, max_age=CONFIGURATION_MAX_AGE)

    async def create(self, request: Request) -> Response:
        """Make a stream."""
        receiver = await self._receiver(request, MANAGE)
        wanted = await read_optional_json(request, _Stream, self._limits) or _Stream()
        return _answer(await self._streams.create(receiver, wanted), 201)

    async def read(self, request: Request) -> Response:
        """One stream by `stream_id`, or all of the receiver."""
        receiver = await self._receiver(request, READ)
        if "stream_id" not in request.query_params:
            return _answer([self._streams.configuration(one) for one in await self._streams.listed(receiver)])
        return _answer(self._streams.configuration(await self._streams.own(receiver, _stream_id(request))))

    async def update(self, request: Request) -> Response:
        """Change what is said of a stream."""
        return await self._change(request, whole=False)

    async def replace(self, request: Request) -> Response:
        """Change all of a stream."""
        return await self._change(request, whole=True)

    async def delete(self, request: Request) -> Response:
        """End a stream."""
        receiver = await self._receiver(request, MANAGE)
        await self._streams.delete(receiver, _stream_id(request))
        return Response(status_code=204)

    async def read_status(self, request: Request) -> Response:
        """Whether a stream is enabled, paused or disabled."""
        receiver = await self._receiver(request, READ)
        return _answer(status_of(await self._streams.own(receiver, _stream_id(request))))

    async def update_status(self, request: Request) -> Response:
        """Enable, pause or disable a stream."""
        receiver = await self._receiver(request, MANAGE)
        asked = await read_json(request, _Status, self._limits)
        return _answer(await self._streams.set_status(receiver, asked.stream_id, asked.status, asked.reason))

    async def add_subject(self, request: Request) -> Response:
        """Have events about a subject. 200 also for one that is not known here (§8.1.3.2)."""
        await self._note_subject(request, included=True)
        return _answer({})

    async def remove_subject(self, request: Request) -> Response:
        """Have no events about a subject."""
        await self._note_subject(request, included=False)
        return Response(status_code=204)

    async def verify(self, request: Request) -> Response:
        """Have a verification event sent."""
        receiver = await self._receiver(request, MANAGE)
        asked = await read_json(request, _Verification, self._limits)
        await self._streams.verify(receiver, asked.stream_id, asked.state)
        return Response(status_code=204)

    async def poll(self, request: Request) -> Response:
        """Acknowledge and fetch events (RFC 8936 §2)."""
        receiver = await self._receiver(request, READ)
        stream = await self._streams.own(receiver, request.path_params["stream_id"])
        if stream.method != "poll":
            raise ProblemError(404, "stream_unknown", "There is no such stream to poll.")
        asked = await read_json(request, Poll, self._limits)
        with held_for(request.scope):
            return _answer(await self._polling.poll(stream, asked))

    async def _change(self, request: Request, *, whole: bool) -> Response:
        receiver = await self._receiver(request, MANAGE)
        wanted = await read_json(request, _Stream, self._limits)
        return _answer(await self._streams.change(receiver, wanted.stream_id, wanted, whole=whole))

    async def _note_subject(self, request: Request, *, included: bool) -> None:
        receiver = await self._receiver(request, MANAGE)
        asked = await read_json(request, _Subject, self._limits)
        await self._streams.note_subject(receiver, asked.stream_id, asked.subject, included=included)

    async def _receiver(self, request: Request, scope: str) -> str:
        # Who may manage may read.
        return await self._machines.caller(request.headers.getlist("authorization"), *dict.fromkeys((scope, MANAGE)))


def _stream_id(request: Request) -> str:
    given = request.query_params.getlist("stream_id")
    if len(given) != 1:
        raise ProblemError(400, "stream_id_missing", "Exactly one stream_id is needed.")
    return given[0]


def _answer(value: Any, status: int = 200) -> Response:
    return JSONResponse(value, status, headers=_NO_STORE)
