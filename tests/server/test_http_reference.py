"""docs/reference/http.md names every call that is served, and none that is not; and every code of a problem."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import Route
from watchword_server.admin.access import AdminServices
from watchword_server.admin.api import admin_api
from watchword_server.endpoints.authorize.pushed import PushedRequests
from watchword_server.endpoints.authorize.routes import authorize_routes
from watchword_server.endpoints.discovery import Discovery
from watchword_server.endpoints.feed.routes import Feed
from watchword_server.endpoints.global_revocation import GlobalRevocation
from watchword_server.endpoints.health import Health
from watchword_server.endpoints.logout.endpoint import Logout
from watchword_server.endpoints.session.authorizations import OwnAuthorizations
from watchword_server.endpoints.session.keys import OwnKeys
from watchword_server.endpoints.session.routes import session_routes
from watchword_server.endpoints.signed_urls import SignedUrlEndpoint
from watchword_server.endpoints.ssf.routes import SsfTransmitter
from watchword_server.endpoints.status_list import StatusLists
from watchword_server.pages.files import page_files
from watchword_server.settings.tree import Feed as FeedSettings
from watchword_server.tokens.refresh import Reason

ROOT = Path(__file__).resolve().parents[2]
PAGE = "".join((ROOT / "docs/reference" / page).read_text() for page in ("http.md", "authorization.md", "signals.md"))
SOURCES = ROOT / "packages/watchword-server/src/watchword_server"
UNUSED = cast("Any", None)
ELSEWHERE = {"no_family", "invalid_generation", "invalid_form"}
"""Codes of the playground and of forms, which no call of this page takes."""


def served() -> set[str]:
    async def ping() -> None: ...

    routes: list[Route] = [
        *session_routes(UNUSED, idle=1),
        *authorize_routes(
            cast("Any", SimpleNamespace(issuer="", pages=UNUSED, clock=UNUSED, sign=UNUSED, algorithms=()))
        ),
        *PushedRequests(UNUSED, UNUSED, UNUSED, UNUSED).routes(),
        *Logout(cast("Any", SimpleNamespace(pages=UNUSED))).routes(),
        *OwnAuthorizations(
            UNUSED, cast("Any", SimpleNamespace(state=UNUSED, sign_ons=UNUSED, clients=UNUSED))
        ).routes(),
        *OwnKeys(UNUSED, UNUSED, login_within=0).routes(),
        *page_files({}),
        *Discovery("https://issuer.example", UNUSED, jwks_max_age=1).routes(),
        *Feed(
            UNUSED,
            UNUSED,
            access=UNUSED,
            keys=UNUSED,
            issuer="",
            settings=FeedSettings(),
            patience=1,
            verifiers=UNUSED,
        ).routes(),
        *SignedUrlEndpoint(
            UNUSED,
            key=UNUSED,
            jwks=UNUSED,
            policy=UNUSED,
            trusted_keys=UNUSED,
            cut_offs=UNUSED,
            clock=UNUSED,
            patience=1,
            keys_max_age=1,
        ).routes(),
        *SsfTransmitter(UNUSED, UNUSED, UNUSED, issuer="", default_subjects="NONE", limits=UNUSED).routes(),
        *StatusLists(UNUSED, UNUSED, issuer="", ttl=60, clock=UNUSED).routes(),
        *GlobalRevocation(UNUSED, UNUSED, UNUSED, issuer="", limits=UNUSED).routes(),
        *Health(ping, UNUSED, token=None, open_metrics=False).routes(),
    ]
    calls = {
        f"{method} {route.path.replace(':path}', '}')}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    paths = admin_api(cast("AdminServices", UNUSED), version="0").openapi()["paths"]
    return calls | {f"{method.upper()} /admin/api{path}" for path, item in paths.items() for method in item}


def test_every_call_that_is_served_is_described_and_no_other() -> None:
    described = set(re.findall(r"`((?:GET|POST|PATCH|PUT|DELETE) /[^`?]*)[^`]*`", PAGE))
    assert described == served()


def test_every_code_of_a_problem_is_described() -> None:
    raised: set[str] = set()
    for file in SOURCES.rglob("*.py"):
        raised |= set(re.findall(r"(?:ProblemError|problem_response)\(\s*\d{3},\s*\"([a-z_]+)\"", file.read_text()))
    assert {code for code in raised - ELSEWHERE if f"`{code}`" not in PAGE} == set()


def test_every_reason_of_a_refused_refresh_is_described() -> None:
    bound_only = {
        Reason.PROOF_MISSING,
        Reason.PROOF_WRONG,
        Reason.SCOPE_EXCEEDED,
        Reason.RESOURCE_EXCEEDED,
        Reason.DETAILS_EXCEEDED,
    }
    assert {reason for reason in set(Reason) - bound_only if f"`{reason.value}`" not in PAGE} == set()
