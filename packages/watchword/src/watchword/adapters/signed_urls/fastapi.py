"""FastAPI, and Starlette by the middleware of ``asgi``: a dependency that lets a route be called by a good link only.

Holds no rules; everything is asked of ``gate``.
"""

from fastapi import HTTPException, Request

from watchword.adapters.bearer import Refused
from watchword.adapters.signed_urls.asgi import url_request
from watchword.adapters.signed_urls.gate import admit_async
from watchword.signedurl import SignedUrl, SignedUrls

__all__ = ["SignedUrlAuth"]


class SignedUrlAuth:
    """A dependency::

        signed = SignedUrlAuth(urls)

        @app.get("/media/{path:path}")
        async def media(url: Annotated[SignedUrl, Depends(signed)]):
            return FileResponse(FILMS[url.path])

    Serve by ``url.path``, not by the route's parameter: a signature may stand in that.
    """

    def __init__(self, urls: SignedUrls) -> None:
        self.urls = urls

    async def __call__(self, request: Request) -> SignedUrl:
        """The verified URL. Raises: HTTPException, 403 or 503."""
        try:
            return await admit_async(self.urls, url_request(request.scope))
        except Refused as refused:
            raise HTTPException(refused.status, refused.detail, refused.headers) from None
