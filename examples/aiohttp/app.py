"""aiohttp's server. Run: python examples/aiohttp/app.py"""

import os

from aiohttp import web
from watchword import Revocations, Verifier
from watchword.adapters.aiohttp import BearerAuth, token_of

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerAuth(verifier)


@auth.require()
async def profile(request):
    return web.json_response({"sub": token_of(request).sub})


@auth.require(scopes=["reports:read"])
async def reports(_request):
    return web.json_response({"reports": ["Tuesday: 42 lanterns lit"]})


app = web.Application()
app.add_routes([web.get("/profile", profile), web.get("/reports", reports)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8001")), print=None)
