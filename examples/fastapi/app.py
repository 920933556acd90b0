"""FastAPI. Run: python examples/fastapi/app.py"""

import os
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Security
from watchword import AccessToken, Revocations, Verifier
from watchword.adapters.fastapi import BearerAuth

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerAuth(verifier)
app = FastAPI()


@app.get("/profile")
async def profile(token: Annotated[AccessToken, Security(auth)]):
    return {"sub": token.sub}


@app.get("/reports", dependencies=[Security(auth, scopes=["reports:read"])])
async def reports():
    return {"reports": ["Tuesday: 42 lanterns lit"]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8001")))
