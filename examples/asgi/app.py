"""Plain ASGI: a service that asks for the scope `reports:read`. Run: python examples/asgi/app.py"""

import json
import os

import uvicorn
from watchword import Revocations, Verifier
from watchword.adapters.asgi import BearerMiddleware, token_of

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")


async def answer(send, **body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def profile(scope, _receive, send):
    await answer(send, sub=token_of(scope).sub)


async def reports(_scope, _receive, send):
    await answer(send, reports=["Tuesday: 42 lanterns lit"])


verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
ROUTES = {
    "/profile": BearerMiddleware(profile, verifier),
    "/reports": BearerMiddleware(reports, verifier, scopes=["reports:read"]),
}


async def app(scope, receive, send):
    if scope["type"] == "http":  # no lifespan: the verifier fetches keys and revocations with its first token
        await ROUTES.get(scope["path"], ROUTES["/profile"])(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8001")), lifespan="off")
