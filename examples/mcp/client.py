"""An agent that starts from nothing: the MCP server tells it where to log in. Run: python examples/mcp/client.py URL

It is known by the document about it at CLIENT_METADATA_URL, or else registers itself where that is allowed. It reads the
names of tools from standard input and calls each.
"""

import asyncio
import os
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken


class Memory:
    """Tokens for as long as this process lives; an agent of yours keeps them in the system's keyring."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Callback:
    """Listens on a loopback port for the browser that comes back (RFC 8252 §7.3)."""

    def __init__(self) -> None:
        self._came: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def listen(self) -> str:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).split(b" ")[1].decode()
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nYou may close this window.")
        await writer.drain()
        writer.close()
        if not self._came.done():
            self._came.set_result(
                AuthorizationCodeResult(code=query.get("code", ""), state=query.get("state"), iss=query.get("iss"))
            )

    async def wait(self) -> AuthorizationCodeResult:
        return await self._came


async def show(url: str) -> None:
    """Where the person has to go; an agent with a screen calls webbrowser.open."""
    print(f"Open {url}", flush=True)


async def main(server: str) -> None:
    """Log in at the first call, then call the tools that are named."""
    callback = Callback()
    provider = OAuthClientProvider(
        server,
        OAuthClientMetadata(client_name="Lantern agent", redirect_uris=[await callback.listen()]),
        Memory(),
        redirect_handler=show,
        callback_handler=callback.wait,
        client_metadata_url=os.environ.get("CLIENT_METADATA_URL"),
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=60) as http,
        Client(streamable_http_client(server, http_client=http)) as client,
    ):
        while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
            result = await client.call_tool(name, {})
            print("failed" if result.is_error else "said", result.content[0].text, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8001/mcp"))
