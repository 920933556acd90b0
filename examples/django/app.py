"""Django, in one file. Run: python examples/django/app.py"""

import os
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from watchword.adapters.django import require

ISSUER = os.environ.get("ISSUER", "http://localhost:8000")

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    INSTALLED_APPS=["watchword.adapters.django"],  # for `check`
    MIDDLEWARE=["watchword.adapters.django.middleware.BearerMiddleware"],  # for request.user everywhere
    ROOT_URLCONF=__name__,
    WATCHWORD={"ISSUER": ISSUER, "AUDIENCE": os.environ.get("AUDIENCE", ISSUER), "REVOCATIONS": {}},
)


@require()
def profile(request):
    return JsonResponse({"sub": request.access_token.sub, "user": str(request.user)})


@require(scopes=["reports:read"])
def reports(_request):
    return JsonResponse({"reports": ["Tuesday: 42 lanterns lit"]})


urlpatterns = [path("profile", profile), path("reports", reports)]
app = get_wsgi_application()

if __name__ == "__main__":
    port = os.environ.get("PORT", "8001")
    execute_from_command_line([Path(sys.argv[0]).name, "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{port}"])
