"""Litestar. Run: python examples/litestar/app.py"""

import os
from typing import Any

import uvicorn
from litestar import Litestar, Request, get
from watchword import AccessToken, Revocations, Verifier
from watchword.adapters.litestar import BearerAuth

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerAuth(verifier)


@get("/profile", guards=[auth.require()], security=[{"bearer": []}])
async def profile(request: Request[str, AccessToken, Any]) -> dict[str, str]:
    return {"sub": request.auth.sub}


@get("/reports", guards=[auth.require(scopes=["reports:read"])], security=[{"bearer": []}])
async def reports() -> dict[str, list[str]]:
    return {"reports": ["Tuesday: 42 lanterns lit"]}


app = Litestar([profile, reports], plugins=[auth])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8001")))
