"""The floor: a bare ASGI app in the same HTTP server that does only the unavoidable: read JSON, sign a token, answer."""

import os
import secrets
import time

import msgspec
import uvicorn
from watchword.jose.jwk import Key
from watchword.jose.jws import Signer

signer = Signer(Key.generate("ES256"), typ="at+jwt")
encode = msgspec.json.encode


async def app(scope, receive, send):
    if scope["path"] == "/healthz":
        body = b"ok"
    else:
        message = await receive()
        presented = msgspec.json.decode(message["body"])["refresh_token"]
        now = int(time.time())
        claims = {
            "iss": "http://localhost:8000",
            "sub": "01j9z3k4v5w6x7y8z9a0b1c2d3",
            "aud": "http://localhost:8000",
            "exp": now + 600,
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "client_id": "first-party",
            "sid": "abcdefghijklmnopqrstuv",
            "rev": 0,
            "auth_time": now,
            "amr": ["pwd"],
            "roles": ["user"],
        }
        body = encode(
            {
                "access_token": signer.sign(encode(claims)),
                "token_type": "Bearer",
                "expires_in": 600,
                "refresh_token": presented,
            }
        )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["FLOOR_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        date_header=False,
    )
