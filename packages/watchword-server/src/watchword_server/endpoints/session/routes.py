"""Where the session API is mounted.

Holds the table of paths and nothing else.
"""

from __future__ import annotations

from starlette.routing import Route

from watchword_server.endpoints.session.account import OwnAccount
from watchword_server.endpoints.session.login import Login
from watchword_server.endpoints.session.logout import Logout
from watchword_server.endpoints.session.profile import OwnProfile
from watchword_server.endpoints.session.refresh import Refresh
from watchword_server.endpoints.session.register import Register
from watchword_server.endpoints.session.services import SessionServices


def session_routes(services: SessionServices, *, idle: float) -> list[Route]:
    """The calls of http.md under `/auth`."""
    own = OwnAccount(services)
    logout = Logout(services)
    profile = OwnProfile(services)
    return [
        Route("/auth/refresh", Refresh(services, idle=idle).handle, methods=["POST"]),
        Route("/auth/login", Login(services).handle, methods=["POST"]),
        Route("/auth/register", Register(services).handle, methods=["POST"]),
        Route("/auth/logout", logout.one, methods=["POST"]),
        Route("/auth/logout-all", logout.everywhere, methods=["POST"]),
        Route("/auth/me", own.me, methods=["GET"]),
        Route("/auth/profile", profile.show, methods=["GET"]),
        Route("/auth/profile", profile.replace, methods=["PUT"]),
        Route("/auth/sessions", own.sessions, methods=["GET"]),
        Route("/auth/sessions/{sid}", own.end_session, methods=["DELETE"]),
        Route("/auth/password", own.change_password, methods=["POST"]),
        Route("/auth/notices/read", own.read_notices, methods=["POST"]),
    ]
