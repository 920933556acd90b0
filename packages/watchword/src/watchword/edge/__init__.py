"""The checker behind a reverse proxy: nginx's ``auth_request``, forward-auth of Traefik and Caddy, ``ext_authz`` of Envoy.

Serves no content and proxies nothing: it says of each request whether it may pass, and in whose name.
"""

from __future__ import annotations

from watchword.edge.checker import Answer, Checker
from watchword.edge.inside import InsideTokens
from watchword.edge.question import Question, Told
from watchword.edge.server import serve

__all__ = ["Answer", "Checker", "InsideTokens", "Question", "Told", "serve"]
