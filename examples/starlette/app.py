"""Starlette. Run: python examples/starlette/app.py"""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from watchword import Revocations, Verifier
from watchword.adapters.starlette import BearerBackend

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerBackend(verifier)


@auth.require()
async def profile(request):
    return JSONResponse({"sub": request.user.token.sub})


@auth.require(scopes=["reports:read"])
async def reports(_request):
    return JSONResponse({"reports": ["Tuesday: 42 lanterns lit"]})


app = Starlette(routes=[Route("/profile", profile), Route("/reports", reports)], middleware=[auth.middleware()])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8001")))
