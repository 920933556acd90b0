"""Plain WSGI. Run: python examples/wsgi/app.py, or in examples/wsgi: gunicorn --workers 4 --preload app:app"""

import json
import os
from wsgiref.simple_server import make_server

from watchword import Revocations, SyncVerifier
from watchword.adapters.wsgi import BearerMiddleware, token_of

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")


def answer(start_response, **body):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]


def profile(environ, start_response):
    return answer(start_response, sub=token_of(environ).sub)


def reports(_environ, start_response):
    return answer(start_response, reports=["Tuesday: 42 lanterns lit"])


verifier = SyncVerifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
ROUTES = {
    "/profile": BearerMiddleware(profile, verifier),
    "/reports": BearerMiddleware(reports, verifier, scopes=["reports:read"]),
}


def app(environ, start_response):
    return ROUTES.get(environ["PATH_INFO"], ROUTES["/profile"])(environ, start_response)


if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ.get("PORT", "8001")), app).serve_forever()
