"""A person at the server's pages, in a browser without JavaScript: fills fields and presses buttons, by their ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from story import ISSUER, PASSWORD

# What a browser says of itself when a page of ours is posted, or a link elsewhere is followed.
SAME_SITE = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
CROSS_SITE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str | None, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What can be done on a page, and what it says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.names: dict[str, tuple[Form, str]] = {}
        self.links: dict[str, str] = {}
        self.ids: set[str] = set()
        self.said = ""
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if name := given.get("id"):
            self.ids.add(name)
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif tag == "input":
            form = self.forms[-1]
            form.fields[given["name"]] = given.get("value", "")
            if "id" in given:
                self.names[given["id"]] = (form, given["name"])
        elif tag == "button":
            self.forms[-1].buttons[given["id"]] = (given.get("name"), given.get("value", ""))
        elif tag == "a" and "id" in given:
            self.links[given["id"]] = given["href"]

    def handle_data(self, data: str) -> None:
        self.said += data


class Person:
    """Somebody with a browser."""

    def __init__(self, http: httpx.AsyncClient, issuer: str = ISSUER) -> None:
        self.http, self.issuer = http, issuer
        self.answer: httpx.Response
        self.page: Page
        self.left: str | None = None
        """The address outside the server that the browser was sent to."""
        self.posted: dict[str, str] | None = None
        """What it is to post there, if the page says so."""

    async def goes_to(self, url: str, **query: str | list[str]) -> Person:
        return await self._follow(await self.http.get(url, params=query or None))

    async def _follow(self, answer: httpx.Response) -> Person:
        self.left = None
        for _ in range(10):
            self.answer = answer
            if answer.status_code != 303:
                self.page = Page(answer.text) if "text/html" in answer.headers.get("content-type", "") else Page("")
                return self
            location = urljoin(self.issuer, answer.headers["location"])
            if not location.startswith(f"{self.issuer}/"):
                self.left = location
                return self
            answer = await self.http.get(location)
        raise AssertionError("redirected for ever")

    def fill(self, **values: str) -> Person:
        for name, value in values.items():
            form, key = self.page.names[name]
            form.fields[key] = value
        return self

    async def press(self, button: str, headers: dict[str, str] | None = None, **changes: str | None) -> Person:
        """Press it. ``changes``: what an attacker alters on the page."""
        form = next(form for form in self.page.forms if button in form.buttons)
        name, value = form.buttons[button]
        fields = dict(form.fields)
        if name is not None:
            fields[name] = value
        fields = {key: text for key, text in (fields | changes).items() if text is not None}
        assert form.method == "post"
        return await self._follow(
            await self.http.post(form.action, data=fields, headers=headers or SAME_SITE | {"Origin": self.issuer})
        )

    async def follow(self, link: str) -> Person:
        return await self.goes_to(self.page.links[link])

    async def logs_in(self, identifier: str = "ada@example.test", password: str = PASSWORD) -> Person:
        return await self.fill(identifier=identifier, password=password).press("sign-in")

    @property
    def told(self) -> dict[str, str]:
        """What the client was told, in the query or the fragment of where the browser was sent."""
        assert self.left is not None, (self.answer.status_code, self.answer.text)
        parts = urlsplit(self.left)
        return dict(parse_qsl(parts.fragment or parts.query))

    def sees(self, *ids: str) -> bool:
        assert self.left is None, self.left
        return set(ids) <= self.page.ids
