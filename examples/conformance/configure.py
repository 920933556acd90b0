"""Writes what the OpenID Foundation's conformance suite and a Watchword server need to know of each other: the server's
configuration with its static clients, and for each plan of the suite the JSON to paste into it, with keys of its own.

    watchword dev-cert --folder suite/tls --client suite-1 --client suite-2
    python configure.py --folder suite
"""

import argparse
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from watchword.jose.jwk import Key

PERSON = "ada@example.com"
PROFILE = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "King",
    "nickname": "Ada",
    "preferred_username": "ada",
    "profile": "https://ada.example.com/",
    "picture": "https://ada.example.com/me.png",
    "website": "https://ada.example.com/",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "phone_number": "+442079460000",
    "address": {"street_address": "12 St James's Square", "locality": "London", "country": "UK"},
}
STANDARD = "openid profile email address phone"
VARIANTS = [(auth, binding) for auth in ("private_key_jwt", "mtls") for binding in ("dpop", "mtls")]


@dataclass(frozen=True)
class Meeting:
    """Where the server and the suite are, and who signs in."""

    issuer: str
    suite: str
    alias: str
    folder: Path
    password: str

    @property
    def client(self) -> str:
        """What all addresses of the suite's clients begin with."""
        return f"{self.suite}/test/a/{self.alias}"

    def tls(self, file: str) -> str:
        """A file that `watchword dev-cert` made."""
        return (self.folder / "tls" / file).read_text()


def task(name: str, match: str, *commands: list[Any], optional: bool = False) -> dict[str, Any]:
    """Something that the suite's browser does on one page."""
    return {"task": name, "match": match, "commands": list(commands)} | ({"optional": True} if optional else {})


def automation(at: Meeting) -> list[dict[str, Any]]:
    """What the suite's browser does at our pages, by their ids. ``[…, "optional"]``: where there is no such element, nothing."""
    here = f"{at.issuer}/*"
    sign_in = [
        ["text", "id", "identifier", PERSON, "optional"],
        ["text", "id", "password", at.password, "optional"],
        ["click", "id", "sign-in", "optional"],
    ]
    arrive = task("Arrive", f"{at.client}/callback*", ["wait", "id", "submission_complete", 10])
    return [
        {
            "match": f"{at.issuer}/authorize*",
            "tasks": [
                task("Sign in", here, *sign_in, optional=True),
                task("Allow", here, ["click", "id", "allow", "optional"], optional=True),
                task("Go on", here, ["click", "id", "continue", "optional"], optional=True),
                arrive,
            ],
        },
        {
            "match": f"{at.issuer}/logout*",
            "tasks": [
                task("Sign out", here, ["click", "id", "sign-out", "optional"], optional=True),
                task("Come back", f"{at.client}/post_logout_redirect*"),
            ],
        },
    ]


def seen(*elements: str, optional: bool = False) -> list[Any]:
    """Wait for one of these elements; it stands for the screenshot that a module asks for."""
    anyone = ", ".join(f"#{element}" for element in elements)
    return ["wait", "css", anyone, 10, ".*", f"update-image-placeholder{'-optional' if optional else ''}"]


def overrides(at: Meeting) -> dict[str, Any]:
    """Modules whose visits do not end as usual: on a page of ours, or after a look at it."""
    here = f"{at.issuer}/*"
    coming, leaving = automation(at)
    arrive = coming["tasks"][-1]
    ends_with = {"match": f"{at.issuer}/authorize*"}
    error = [ends_with | {"tasks": [task("See the error", here, seen("error"))]}]
    login = [ends_with | {"tasks": [task("See the login page", here, seen("sign-in"))]}]
    again = [ends_with | {"tasks": [task("See it", here, seen("sign-in", optional=True)), *coming["tasks"]]}]
    cancelled = [ends_with | {"tasks": [task("Cancel", here, ["click", "id", "cancel"]), arrive]}]
    asked = [coming, leaving | {"tasks": [task("See the question, or what is wrong", here, seen("sign-out", "error"))]}]
    out = [coming, leaving | {"tasks": [task("Sign out", here, ["click", "id", "sign-out"], seen("signed-out"))]}]
    reused = [coming | {"match-limit": 1}, *error]
    logout, fapi = "oidcc-rp-initiated-logout-", "fapi2-security-profile-final-"
    modules = {
        "oidcc-prompt-login": again,
        "oidcc-max-age-1": again,
        "oidcc-ensure-registered-redirect-uri": error,
        "oidcc-ensure-redirect-uri-in-authorization-request": error,
        "oidcc-redirect-uri-query-added": error,
        "oidcc-redirect-uri-query-mismatch": error,
        "oidcc-registration-logo-uri": login,
        "oidcc-registration-policy-uri": login,
        "oidcc-registration-tos-uri": login,
        f"{logout}bad-post-logout-redirect-uri": asked,
        f"{logout}query-added-to-post-logout-redirect-uri": asked,
        f"{logout}modified-id-token-hint": asked,
        f"{logout}no-id-token-hint": asked,
        f"{logout}no-params": out,
        f"{logout}only-state": out,
        f"{fapi}user-rejects-authentication": cancelled,
        f"{fapi}par-attempt-reuse-request_uri": reused,
        f"{fapi}par-attempt-to-use-expired-request_uri": error,
        f"{fapi}par-attempt-to-use-request_uri-for-different-client": error,
    }
    return {name: {"browser": blocks} for name, blocks in modules.items()}


def openid_clients(at: Meeting) -> list[dict[str, Any]]:
    """Static clients of the plans of OpenID Connect. The suite's send no PKCE: these are exempt, and send a nonce instead."""
    client = at.client
    common = {
        "client_name": "Conformance suite", "grant_types": ["authorization_code", "refresh_token"], "pkce_exempt": True,
        "redirect_uris": [f"{client}/callback", f"{client}/callback?dummy1=lorem&dummy2=ipsum"],
        "post_logout_redirect_uris": [f"{client}/post_logout_redirect"], "scope": f"{STANDARD} offline_access",
    }  # fmt: skip
    post = {"token_endpoint_auth_method": "client_secret_post"}
    told = {"backchannel_logout_uri": f"{client}/backchannel_logout", "backchannel_logout_session_required": True}
    framed = {"frontchannel_logout_uri": f"{client}/frontchannel_logout", "frontchannel_logout_session_required": True}
    kinds = {"basic": {}, "basic-2": {}, "post": post, "backchannel": told, "frontchannel": framed}
    # Without characters that some versions of the suite would have to encode in the Authorization header.
    return [
        {"client_id": f"oidc-{kind}", "client_secret": secrets.token_hex(24)} | common | more
        for kind, more in kinds.items()
    ]


def fapi_client(variant: tuple[str, str], number: int, key: Key, client: str, *, signed: bool) -> dict[str, Any]:
    """One of the two clients of a variant of the plans for FAPI 2.0."""
    authentication, binding = variant
    query = "?dummy1=lorem&dummy2=ipsum" if number == 2 else ""
    one: dict[str, Any] = {
        "client_id": "-".join(("fapi", authentication, binding, *(["signed"] if signed else []), str(number))),
        "client_name": f"Conformance suite {number}", "profile": "fapi2", "scope": f"{STANDARD} offline_access",
        "redirect_uris": [f"{client}/callback{query}"], "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]},
    }  # fmt: skip
    if authentication == "mtls":
        one |= {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": f"suite-{number}"}
    if binding == "mtls":
        one["tls_client_certificate_bound_access_tokens"] = True
    if signed:
        one |= {"require_signed_request_object": True, "request_object_signing_alg": "ES256"}
    return one


def toml(value: Any) -> str:
    """Whatever stands in a client, as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


def server_configuration(at: Meeting, clients: list[dict[str, Any]]) -> str:
    """The whole of `watchword.toml`."""
    tls = at.folder.resolve() / "tls"
    suite_host = urlsplit(at.suite).hostname
    tables = [
        f'environment = "development"\nissuer = "{at.issuer}"',
        f"[server]\nport = {urlsplit(at.issuer).port or 443}",
        f'tls_cert = "{tls}/server.pem"\ntls_key = "{tls}/server.key"\ntls_client_ca = "{tls}/ca.pem"',
        # The suite serves keys, sectors and logout from this machine, by a certificate of its own.
        f'[outgoing]\nallow = ["{suite_host}", "127.0.0.1", "::1"]\nca_file = "{tls}/outgoing.pem"',
        '[self_registration]\ndynamic = "open"\npkce_exempt = true',
        '[tokens]\nacr = "password"',
        '[pages]\nlogos = "all"',
        "[throttle]\nregistrations = 10000",
        *("[[clients]]\n" + "\n".join(f"{name} = {toml(value)}" for name, value in one.items()) for one in clients),
    ]
    return "\n".join(tables) + "\n"


def fapi_plan(at: Meeting, variant: tuple[str, str], *, signed: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The suite's side, with private keys, and ours, with public ones."""
    plan: dict[str, Any] = {}
    clients = []
    for number in (1, 2):
        key = Key.generate("ES256", f"suite-{number}")
        clients.append(fapi_client(variant, number, key, at.client, signed=signed))
        suffix = "" if number == 1 else "2"
        plan[f"client{suffix}"] = {
            "client_id": clients[-1]["client_id"],
            "scope": STANDARD,
            "jwks": {"keys": [key.private_jwk() | {"use": "sig"}]},
            "dpop_signing_alg": "ES256",
        }
        if "mtls" in variant:
            files = {"cert": f"client-suite-{number}.pem", "key": f"client-suite-{number}.key", "ca": "ca.pem"}
            plan[f"mtls{suffix}"] = {name: at.tls(file) for name, file in files.items()}
    return plan, clients


def all_plans(at: Meeting) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """What differs from plan to plan, by the name of its file; and the server's clients."""
    clients = openid_clients(at)
    named = {one["client_id"]: {name: one[name] for name in ("client_id", "client_secret")} for one in clients}
    plans: dict[str, dict[str, Any]] = {
        "openid": {
            "client": named["oidc-basic"],
            "client2": named["oidc-basic-2"],
            "client_secret_post": named["oidc-post"],
        },
        "openid-backchannel": {"client": named["oidc-backchannel"]},
        "openid-frontchannel": {"client": named["oidc-frontchannel"]},
        "openid-dynamic": {"client": {"client_name": "Conformance suite"}, "client2": {"client_name": "The second"}},
    }
    for variant in VARIANTS:
        for signed in (False, True):
            name = "-".join(("fapi2", *variant, *(["signed"] if signed else [])))
            plans[name], more = fapi_plan(at, variant, signed=signed)
            clients += more
    return plans, clients


def main() -> None:
    """Write it all, for nobody else on this machine to read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issuer", default="https://localhost:9443")
    parser.add_argument("--suite", default="https://localhost.emobix.co.uk:8443", help="where the suite is reached")
    parser.add_argument("--alias", default="watchword", help="of the test plan; it is part of every redirect URI")
    parser.add_argument("--folder", type=Path, default=Path("suite"), help="holds tls/ and gets all else")
    given = parser.parse_args()
    os.umask(0o077)
    at = Meeting(
        given.issuer.rstrip("/"), given.suite.rstrip("/"), given.alias, given.folder, secrets.token_urlsafe(18)
    )
    common = {
        "alias": at.alias,
        "server": {"discoveryUrl": f"{at.issuer}/.well-known/openid-configuration"},
        "resource": {"resourceUrl": f"{at.issuer}/userinfo"},
        "browser": automation(at),
        "override": overrides(at),
    }
    plans, clients = all_plans(at)
    written = {
        f"{name}.json": json.dumps({"description": name} | common | plan, indent=2) for name, plan in plans.items()
    }
    written |= {
        "watchword.toml": server_configuration(at, clients),
        "password": at.password,
        "profile.json": json.dumps(PROFILE, indent=2),
        "tls/outgoing.pem": at.tls("ca.pem"),
    }
    for name, text in written.items():
        (at.folder / name).write_text(text)


if __name__ == "__main__":
    main()
