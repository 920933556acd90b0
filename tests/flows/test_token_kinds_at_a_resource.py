"""What this server issues, accepted by the library: opaque tokens by introspection, bound ones by proof."""

import asyncio

import pytest
from oauth_story import ISSUER, Prover
from over_http import OverHttp
from watchword import ClientSecret, Introspection, Possession, RejectionReason, TokenRejected, Verifier
from watchword.oauth.names import Scheme
from watchword_server.clients.metadata import ClientSettings

URL = "https://api.example.test/reports"


@pytest.mark.rfc("7662 §2")
@pytest.mark.parametrize("signed", [False, True])
async def test_an_opaque_token_is_accepted_until_it_is_given_back(oauth, signed):
    robot = await oauth.machine(settings=ClientSettings(access_token_format="opaque"))
    token = (await oauth.token(robot, "client_credentials")).json()["access_token"]
    told = await oauth.introspected(robot, token)
    audience = told["aud"] if isinstance(told["aud"], str) else told["aud"][0]
    api = await oauth.machine("api", settings=ClientSettings(may_introspect=True, audiences=(audience,)))
    transport = OverHttp(oauth.http)
    verifier = Verifier(
        ISSUER,
        audience,
        jwks_uri=f"{ISSUER}/jwks.json",
        introspection=Introspection(ClientSecret("api", api.secret), signed=signed, cache_seconds=30),
        transport=transport,
        clock=oauth.server.clock,
    )
    first, second = await asyncio.gather(verifier.verify(token), verifier.verify(token))
    assert first == second
    assert (first.client_id, transport.asked) == ("robot", 1)
    await oauth.post("/revoke", robot, token=token)
    oauth.server.clock.advance(31)
    with pytest.raises(TokenRejected) as caught:
        await verifier.verify(token)
    assert caught.value.reason is RejectionReason.INACTIVE
    await verifier.aclose()


@pytest.mark.rfc("9449 §6/2")
@pytest.mark.rfc("9449 §6.1")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_a_token_bound_at_the_token_endpoint_opens_the_resource_to_its_key_alone(oauth, form):
    clock = oauth.server.clock
    prover, thief = Prover(clock), Prover(clock)
    robot = await oauth.machine(settings=ClientSettings(access_token_format=form))
    body = (await oauth.token(robot, "client_credentials", headers=prover.headers())).json()
    assert body["token_type"] == "DPoP"
    token = body["access_token"]
    audience = (await oauth.introspected(robot, token))["aud"]
    audience = audience if isinstance(audience, str) else audience[0]
    api = await oauth.machine("api", settings=ClientSettings(may_introspect=True, audiences=(audience,)))
    verifier = Verifier(
        ISSUER,
        audience,
        jwks_uri=f"{ISSUER}/jwks.json",
        introspection=Introspection(ClientSecret("api", api.secret)),
        transport=OverHttp(oauth.http),
        clock=clock,
    )

    def shown(who, url=URL):
        return Possession(Scheme.DPOP, (who.proof(url, "GET", token=token),), "GET", URL)

    proof = shown(prover)
    assert (await verifier.verify(token, possession=proof)).cnf.jkt == prover.jkt
    for possession in (proof, shown(thief), shown(prover, "https://evil.example.test/reports"), None, Possession()):
        with pytest.raises(TokenRejected):
            await verifier.verify(token, possession=possession)
    await verifier.aclose()
