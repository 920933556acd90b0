"""Flask. Run: python examples/flask/app.py, or in examples/flask: gunicorn --workers 4 --preload app:app"""

import os

from flask import Flask
from watchword import Revocations, SyncVerifier
from watchword.adapters.flask import BearerAuth, current_token

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")
verifier = SyncVerifier(ISSUER, os.environ.get("AUDIENCE", ISSUER), revocations=Revocations())
auth = BearerAuth(verifier)
app = Flask(__name__)


@app.get("/profile")
@auth.require()
def profile():
    return {"sub": current_token.sub}


@app.get("/reports")
@auth.require(scopes=["reports:read"])
def reports():
    return {"reports": ["Tuesday: 42 lanterns lit"]}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8001")))
