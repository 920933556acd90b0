"""A proxy that has been started before something that signed URLs open: what it is asked, as written."""

import asyncio

from watchword.clock import system_clock
from watchword.jose import Key
from watchword.signedurl import MemorySingleUse, SignedUrls
from watchword.testing import FakeIssuer


def signing(port):
    """An issuer, and the signed URLs of the place at this port, which die with its sessions."""
    issuer = FakeIssuer(clock=system_clock)
    urls = SignedUrls(
        Key.generate("HS256", kid="k1"),
        origin=f"http://localhost:{port}",
        cut_offs=issuer.view,
        single_use=MemorySingleUse(),
    )
    return issuer, urls


class Front:
    """The proxy at a port."""

    def __init__(self, port, urls, issuer):
        self.port, self.urls, self.issuer = port, urls, issuer

    def signed(self, path, **bindings):
        return self.urls.sign(path, 60, **bindings)[len(self.urls.origin) :]

    async def ask(self, target, method="GET", **headers):
        """Ask without a client that would tidy it. Returns: status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{self.port}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body
