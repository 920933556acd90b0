"""The real process: a logout is pushed within moments, and what a killed one left undelivered its successor delivers."""

import asyncio

import pytest
from outgoing_peer import answer, peer
from process import Process
from story import PASSWORD, bearer
from watchword.jose import jws, strict_json

TOKEN = "receiver-token-of-the-tests"


@pytest.fixture(params=["sqlite", "postgres"])
def started(request, tmp_path):
    processes = []

    def start():
        store_url = request.getfixturevalue("migrated_postgres_dsn") if request.param == "postgres" else None
        environ = {
            "WATCHWORD_SSF__ENABLED": "true",
            "WATCHWORD_SSF__RECEIVERS": f'{{"acme": "{TOKEN}"}}',
            "WATCHWORD_SSF__DEFAULT_SUBJECTS": "ALL",
            "WATCHWORD_STATUS_LISTS__ENABLED": "true",
        }
        processes.append(Process(tmp_path / "home", store_url, **environ))
        return processes[-1]

    yield start
    for process in processes:
        if process.process.poll() is None:
            process.kill()


async def login(client, email):
    body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
    answered = await client.post("/auth/login", json=body)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def until(condition):
    # Longer than the lease of a delivery that a server was killed in the middle of, which is a minute.
    async with asyncio.timeout(200):
        while not condition():
            await asyncio.sleep(0.02)


def sessions_told(there):
    told = set()
    for request in there.requests:
        payload = jws.parse(request.rpartition(b"\r\n\r\n")[2].decode()).payload
        told.add(strict_json.decode_object(payload)["sub_id"]["session"]["id"])
    return told


async def test_what_a_killed_server_left_undelivered_its_successor_delivers(started):
    server = started()
    up = asyncio.Event()

    async def said(_reader, writer):
        writer.write(answer(status="202 Accepted" if up.is_set() else "503 Busy"))
        await writer.drain()

    async with peer(said) as there:
        async with server.client() as client:
            await client.post("/auth/register", json={"email": "ada@example.test", "password": PASSWORD})
            made = await client.post(
                "/ssf/streams",
                json={"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": there.url("/events")}},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            assert made.status_code == 201, made.text
            ended = set()
            for _ in range(5):
                tokens = await login(client, "ada@example.test")
                claims = strict_json.decode_object(jws.parse(tokens["access_token"]).payload)
                assert claims["status"]["status_list"]["idx"] == int(claims["sid"].partition(".")[2])
                assert (await client.post("/auth/logout", headers=bearer(tokens))).status_code == 204
                ended.add(claims["sid"])
            await until(lambda: there.requests)
        server.kill()
        up.set()
        there.requests.clear()
        server.start()
        await until(lambda: sessions_told(there) == ended)
        assert server.stop() == 0
