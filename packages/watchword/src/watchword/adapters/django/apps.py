"""The application as Django lists it; it has no models.

Does nothing but register checks.
"""

from django.apps import AppConfig
from django.core.checks import Tags, register

from watchword.adapters.django.checks import check_deployment, check_settings


class WatchwordConfig(AppConfig):
    """``INSTALLED_APPS += ["watchword.adapters.django"]``."""

    name = "watchword.adapters.django"
    label = "watchword"
    verbose_name: str = "Watchword"

    def ready(self) -> None:
        register(check_settings, Tags.security)
        register(check_deployment, Tags.security, deploy=True)
