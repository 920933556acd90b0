"""Strawberry GraphQL. Run: python examples/graphql/app.py"""

import os

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from watchword import Revocations, Verifier
from watchword.adapters.graphql import BearerAuth, token_of

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = Verifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerAuth(verifier)


@strawberry.type
class Query:
    @strawberry.field(permission_classes=[auth.require()])
    def profile(self, info: strawberry.Info) -> str:
        return token_of(info).sub

    @strawberry.field(permission_classes=[auth.require(scopes=["reports:read"])])
    def reports(self) -> list[str]:
        return ["Tuesday: 42 lanterns lit"]


app = GraphQL(strawberry.Schema(Query))

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8001")))
