"""Routes that a signed URL opens: ``asgi``, ``wsgi``, ``fastapi``, ``flask``, ``django``, ``aiohttp``.

Holds nothing; each module imports the one framework it is for.
"""
