"""Django REST framework, in one file. Run: python examples/drf/app.py"""

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
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["watchword.adapters.drf.BearerAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["watchword.adapters.drf.TokenRequired"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,  # this project has no users of its own
    },
)

from django.urls import path  # noqa: E402 - REST framework reads the settings as it is imported
from rest_framework.decorators import api_view, permission_classes  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from watchword.adapters.drf import require  # noqa: E402


@api_view()
def profile(request):
    return Response({"sub": request.auth.sub})


@api_view()
@permission_classes([require(scopes=["reports:read"])])
def reports(_request):
    return Response({"reports": ["Tuesday: 42 lanterns lit"]})


urlpatterns = [path("profile", profile), path("reports", reports)]

if __name__ == "__main__":
    port = os.environ.get("PORT", "8001")
    execute_from_command_line([Path(sys.argv[0]).name, "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{port}"])
