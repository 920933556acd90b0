"""Opening encrypted request objects: how many at once, who waits, and what is looked for again."""

from __future__ import annotations

import asyncio
import threading

import pytest
from watchword.jose.encryption_key import EncryptionKey
from watchword.jose.errors import JoseError, Reason
from watchword.jose.jwe import Decrypter, encrypt
from watchword.oauth.errors import OAuthError
from watchword_server.clients.metadata import Client, ClientMetadata
from watchword_server.clients.request_decryption import AT_ONCE, MAX_WAITING, RequestDecryption

PATIENCE = 60.0
KEY = EncryptionKey.generate(kid="k")
CLIENT = Client(
    client_id="app",
    source="admin",
    metadata=ClientMetadata(request_object_encryption_alg="ECDH-ES+A256KW", request_object_encryption_enc="A256GCM"),
)
RAW = encrypt(b"a.b.c", KEY)


class Keys:
    """A ring whose work ends when it is told; without its key until it has looked again, where that is asked."""

    def __init__(self, *, held: bool = False, late: bool = False) -> None:
        self.late, self.looked = late, 0
        self.go_on = threading.Event()
        self.running = self.most = 0
        self.lock = threading.Lock()
        if not held:
            self.go_on.set()

    def request_decrypter(self, algorithm: str, encoding: str) -> Decrypter:
        if self.late and not self.looked:
            raise JoseError(Reason.UNKNOWN_KEY, "there is no key")
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.go_on.wait(PATIENCE)
        with self.lock:
            self.running -= 1
        return Decrypter([KEY], algorithms=(algorithm,), encodings=(encoding,))

    async def look_again(self) -> None:
        self.looked += 1


async def test_what_is_signed_alone_comes_back_as_it_is_without_any_work() -> None:
    keys = Keys(held=True)
    assert await RequestDecryption(keys).opened("a.b.c", CLIENT) == "a.b.c"
    assert keys.most == 0


async def test_attack_many_objects_at_once_are_opened_a_few_at_a_time_and_the_rest_is_told_to_come_later() -> None:
    keys = Keys(held=True)
    decryption = RequestDecryption(keys)
    asked = [asyncio.ensure_future(decryption.opened(RAW, CLIENT)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(OAuthError) as refused:
        await decryption.opened(RAW, CLIENT)
    assert refused.value.code == "temporarily_unavailable"
    keys.go_on.set()
    assert await asyncio.wait_for(asyncio.gather(*asked), PATIENCE) == ["a.b.c"] * MAX_WAITING
    assert keys.most <= AT_ONCE
    # Who came too early is let in now.
    assert await decryption.opened(RAW, CLIENT) == "a.b.c"


async def test_a_key_that_another_process_made_is_looked_for_once() -> None:
    keys = Keys(late=True)
    assert await RequestDecryption(keys).opened(RAW, CLIENT) == "a.b.c"
    assert keys.looked == 1
    stranger = encrypt(b"a.b.c", EncryptionKey.generate(kid="another"))
    with pytest.raises(OAuthError) as refused:
        await RequestDecryption(keys).opened(stranger, CLIENT)
    assert (refused.value.code, keys.looked) == ("invalid_request_object", 2)


@pytest.mark.parametrize("inside", [b"", b"a.b", b"a.b.c.d.e", b"{}", b"\xff.\xff.\xff", "é.é.é".encode()])
async def test_attack_what_is_inside_and_no_signed_jwt_is_refused_in_the_same_words(inside: bytes) -> None:
    decryption = RequestDecryption(Keys())
    said = set()
    for raw in (encrypt(inside, KEY), encrypt(b"a.b.c", KEY, cty="JOSE"), RAW[:-4] + "AAAA"):
        with pytest.raises(OAuthError) as refused:
            await decryption.opened(raw, CLIENT)
        said.add(str(refused.value))
    assert len(said) == 1


async def test_a_client_that_did_not_register_for_it_makes_no_work() -> None:
    keys = Keys(held=True)
    plain = Client(client_id="plain", source="admin", metadata=ClientMetadata())
    with pytest.raises(OAuthError, match="did not register"):
        await RequestDecryption(keys).opened(RAW, plain)
    assert keys.most == 0
