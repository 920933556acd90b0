"""A real server process over https, by a certificate authority that the tests make, and a person at its pages."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from page_story import Person
from process import Process, free_port
from story import PASSWORD
from watchword_server.keys.development_certificates import Issued

ADA = "ada@example.test"


@dataclass(frozen=True)
class Trust:
    """An authority and the certificate of this machine."""

    authority: Path
    server: Issued

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate, self.server.key)
        return context

    @property
    def environ(self) -> dict[str, str]:
        """What has Python, Node and curl of a child process believe the authority, and no other."""
        return {"SSL_CERT_FILE": str(self.authority), "NODE_EXTRA_CA_CERTS": str(self.authority)}


class Secure(Process):
    """A server process that speaks https itself."""

    def __init__(self, home: Path, trust: Trust, **environ: str) -> None:
        self.trust, self.authority = trust.context, trust.authority
        port = free_port()
        super().__init__(
            home,
            **{
                "WATCHWORD_PORT": str(port),
                "WATCHWORD_ISSUER": f"https://localhost:{port}",
                "WATCHWORD_SERVER__TLS_CERT": str(trust.server.certificate),
                "WATCHWORD_SERVER__TLS_KEY": str(trust.server.key),
                "WATCHWORD_OUTGOING__ALLOW": '["127.0.0.1", "::1", "localhost"]',
                "WATCHWORD_OUTGOING__CA_FILE": str(trust.authority),
                **environ,
            },
        )

    @property
    def url(self) -> str:
        return self.environ["WATCHWORD_ISSUER"]

    @property
    def metadata(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/.well-known/openid-configuration", verify=self.trust, timeout=60).json()

    def trusting(self, shown: Issued | None = None) -> ssl.SSLContext:
        """What believes the authority of the servers, and shows a client certificate."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context

    def register(self, email: str = ADA) -> str:
        """An account with the common password; its id."""
        body = {"email": email, "password": PASSWORD}
        answer = httpx.post(f"{self.url}/auth/register", json=body, verify=self.trust, timeout=60)
        assert answer.status_code == 201, answer.text
        return answer.json()["account"]["id"]

    def browser(self) -> httpx.AsyncClient:
        """A browser without JavaScript, for `Person`."""
        return self.client()

    def person(self, http: httpx.AsyncClient) -> Person:
        return Person(http, self.url)


async def passes(person: Person, url: str, email: str = ADA) -> str:
    """Log in, consent, connect a device and log out, as far as asked. Returns where the browser was sent; what it posts there is in
    ``person.posted``.
    """
    person.posted = None
    await person.goes_to(url)
    for _ in range(6):
        if person.left is not None:
            return person.left
        if "response" in person.page.ids:
            [form] = person.page.forms
            person.posted = form.fields
            return form.action
        if "connected" in person.page.ids:
            return str(person.answer.url)
        if "go-on" in person.page.ids:
            await person.press("go-on")
            continue
        if "sign-out" in person.page.ids:
            await person.press("sign-out")
            continue
        if "sign-in" in person.page.ids:
            await person.logs_in(email)
        else:
            await person.press("allow")
    raise AssertionError(person.answer.text)


def child_environ(trust: Trust, **more: str) -> dict[str, str]:
    """For a child process that believes the authority of the tests."""
    return {**os.environ, **trust.environ, **more}
