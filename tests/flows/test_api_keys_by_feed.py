"""A revoked key at a verifier that remembers it: dead by the feed of a real server, long before its answer is old."""

import json

import pytest
from process import Process
from revoking import FEED_TOKEN, Account, until
from watchword import ClientSecret, Introspection, RejectionReason, Revocations, SyncVerifier, TokenRejected

SECRET = "a secret of forty characters, and no more"
API = {
    "client_id": "api", "client_secret": SECRET, "grant_types": ["client_credentials"], "redirect_uris": [],
    "may_introspect": True,
}  # fmt: skip


@pytest.fixture
def server(tmp_path):
    running = Process(tmp_path / "home", WATCHWORD_FEED__TOKEN=FEED_TOKEN, WATCHWORD_CLIENTS=json.dumps([API]))
    yield running
    running.stop()


def test_a_revoked_key_dies_where_it_is_remembered_for_an_hour(server):
    ada = Account(server)
    shown = {"Authorization": f"Bearer {ada.login()}"}
    kept, lost = (ada.client.post("/auth/keys", json={"name": n}, headers=shown).json() for n in ("kept", "lost"))
    introspection = Introspection(ClientSecret("api", SECRET), cache_seconds=3600)
    feed = Revocations(token=FEED_TOKEN, poll_interval=0.1)
    with SyncVerifier(server.url, server.url, introspection=introspection, revocations=feed) as verifier:
        for key in (kept, lost):
            assert verifier.verify(key["secret"]).jti == key["key"]["id"]
            verifier.verify_now(key["secret"])
        assert ada.client.delete(f"/auth/keys/{lost['key']['id']}", headers=shown).status_code == 204

        def refused() -> bool:
            try:
                verifier.verify(lost["secret"])
            except TokenRejected as rejected:
                return rejected.reason in {RejectionReason.REVOKED, RejectionReason.INACTIVE}
            return False

        until(refused)
        assert verifier.verify_now(kept["secret"]).jti == kept["key"]["id"], "still remembered"
