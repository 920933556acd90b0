"""Pages out of templates: escaped, in the language of whoever asks, under a policy that runs no inline script.

Knows no flow: what a page shows is handed in, and what it posts to answers elsewhere.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from watchword_server.pages.languages import catalogues, choose
from watchword_server.settings.pages import Pages as PageSettings
from watchword_server.web.correlation import correlation_id

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
_HEADERS: Final = {
    # With no-referrer a browser sends the page's own forms with `Origin: null`, which cross_site.py takes for foreign.
    "Referrer-Policy": "same-origin",
    # An application may open these pages in a window of its own and wait for the answer there.
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
MAX_SHOWN: Final = 80
"""Characters of a name that somebody else chose."""


class Pages:
    """The templates of one installation."""

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings
        self._catalogues = catalogues()
        self._folders = [path for path in (settings.templates, _TEMPLATES) if path is not None]
        self._environment = lru_cache(maxsize=None)(self._make_environment)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that pages can speak."""
        return tuple(sorted(self._catalogues))

    def shows_logo(self, *, known: bool) -> bool:
        """Whether the logo of a client is shown; ``known``: of one that was registered for this installation."""
        return self._settings.logos == "all" or (known and self._settings.logos == "known")

    def language(self, request: Request, ui_locales: str | None = None) -> str:
        """The language to answer this request in."""
        accepted = request.headers.get("accept-language")
        return choose(self._catalogues, self._settings.language, ui_locales, accepted)

    def translate(self, language: str) -> Callable[[str], str]:
        """The function that gives a text of the catalogue in that language."""
        return self._catalogues[language].gettext

    def show(
        self,
        template: str,
        language: str,
        *,
        status: int = 200,
        posts_to: Sequence[str] = ("'self'",),
        frames: Sequence[str] = (),
        image: str | None = None,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> Response:
        """The page as an answer. ``posts_to``: sources of the policy's ``form-action``; ``frames``: URLs it may frame;
        ``image``: the one image of elsewhere that it may show.

        Does not let itself be framed, cached, or tell its address to other sites.
        """
        text = self._environment(language).get_template(f"{template}.html")
        body = text.render(service=self._settings.name, language=language, **context)
        policy = {"Content-Security-Policy": content_policy(posts_to, frames, image), "Content-Language": language}
        return HTMLResponse(body, status, {**_HEADERS, **policy, **(headers or {})})

    def error(self, request: Request, *, error: str, description: str, message: str | None = None, status: int = 400
              ) -> Response:  # fmt: skip
        """The page for what cannot be told to a client: a text for people, then the error's name for developers."""
        language = self.language(request)
        words = self.translate(language)
        return self.show(
            "error",
            language,
            status=status,
            message=message or words("The application that sent you here asked for something that cannot be done."),
            error=error,
            description=description,
            reference=correlation_id(),
        )

    def _make_environment(self, language: str) -> Environment:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - a server without pages lacks it

        environment = Environment(
            loader=FileSystemLoader(self._folders),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        install: Callable[..., None] = environment.install_gettext_translations  # type: ignore[attr-defined]
        texts: gettext.NullTranslations = self._catalogues[language]
        install(texts, newstyle=True)
        return environment


def content_policy(posts_to: Sequence[str], frames: Sequence[str] = (), image: str | None = None) -> str:
    """The Content-Security-Policy of a page.

    Raises ValueError for a source that could end its directive.
    """
    for source in posts_to:
        if any(c in ';, "' or not c.isprintable() or not c.isascii() for c in source):
            raise ValueError("not a source of a content security policy")
    images = "'self'" if image is None else f"'self' {frame_source(image)}"
    framed = " ".join(dict.fromkeys(map(frame_source, frames))) or "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {images}",
            f"form-action {' '.join(posts_to)}",
            f"frame-src {framed}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def frame_source(url: str) -> str:
    """The origin of a URL, to be framed or shown, as a source. Raises ValueError for one that could end its directive."""
    parts = urlsplit(url)
    source = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"https", "http"} or any(c in ";, '\"" or not c.isprintable() for c in source):
        raise ValueError("not a URL that may be framed or shown")
    return source


def is_framable(url: str) -> bool:
    """Whether ``frame_source`` takes it."""
    try:
        frame_source(url)
    except ValueError:
        return False
    return True


def posting_back(redirect_uri: str) -> tuple[str, ...]:
    """The ``form-action`` of a page whose post may end at that redirect URI.

    Chromium holds it against every redirect that answers the post, the client's own onward ones too, so neither 'self'
    nor the URI's origin would do: its scheme is named, and https.
    """
    return tuple(dict.fromkeys(("'self'", "https:", f"{urlsplit(redirect_uri).scheme}:")))


def shown_name(name: str) -> str:
    """A name that somebody else chose, fit to be shown: printable, without tricks of direction, short."""
    kept = "".join(c if c.isprintable() else " " for c in name)
    kept = " ".join(kept.split())
    return kept if len(kept) <= MAX_SHOWN else kept[: MAX_SHOWN - 1] + "…"
