"""Django Ninja, in one file. Run: python examples/ninja/app.py"""

import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import execute_from_command_line

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    WATCHWORD={"ISSUER": ISSUER, "AUDIENCE": os.environ.get("AUDIENCE", ISSUER), "REVOCATIONS": {}},
)

from django.urls import path  # noqa: E402 - Ninja reads the settings as it is imported
from ninja import NinjaAPI  # noqa: E402
from watchword.adapters.ninja import BearerAuth  # noqa: E402

api = NinjaAPI()
auth = BearerAuth(api)


@api.get("/profile", auth=auth)
def profile(request):
    return {"sub": request.auth.sub}


@api.get("/reports", auth=auth.require(scopes=["reports:read"]))
def reports(request):  # noqa: ARG001 - Ninja finds it by its name
    return {"reports": ["Tuesday: 42 lanterns lit"]}


urlpatterns = [path("", api.urls)]

if __name__ == "__main__":
    port = os.environ.get("PORT", "8001")
    execute_from_command_line([Path(sys.argv[0]).name, "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{port}"])
