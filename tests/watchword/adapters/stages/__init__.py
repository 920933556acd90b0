"""The same small service, made with each framework: every stage has the routes below, and answers alike.

/profile asks for any token, /reports for the scope reports:read, /admin for the role admin, /posts for a token or none,
/orders for two permissions, /acme for one of two tenants, /transfers for a strong and recent login. Each answers JSON with ``sub``.
"""

from importlib import import_module

HTTP = ("starlette", "fastapi", "asgi", "wsgi", "flask", "django", "django_asgi", "drf", "ninja", "litestar", "aiohttp")
"""Every stage that speaks HTTP."""


def stage(name, issuer, *, verifier=None, **auth):
    """A context in which the service answers. ``verifier`` are options of the verifier, ``auth`` of the adapter."""
    return import_module(f"{__name__}.{name}").stage(issuer, verifier or {}, auth)
