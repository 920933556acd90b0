"""Django: settings, middleware, decorators, and checks that ``manage.py check`` runs.

Holds re-exports only. ``INSTALLED_APPS += ["watchword.adapters.django"]`` brings the checks; the rest works without.
"""

from watchword.adapters.django.requests import TokenUser, token_of
from watchword.adapters.django.views import optional, require

__all__ = ["TokenUser", "optional", "require", "token_of"]
