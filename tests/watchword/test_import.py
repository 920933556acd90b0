"""What importing the library brings with it, and what it must not."""

import subprocess
import sys

import pytest
import watchword


def modules_after(statement):
    script = f"import sys; {statement}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(output.split())


@pytest.mark.parametrize("name", watchword.__all__)
def test_every_name_promised_is_there(name):
    assert getattr(watchword, name) is not None
    assert name in dir(watchword)


def test_a_name_not_promised_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        watchword.nothing_of_the_kind  # noqa: B018


def test_importing_the_package_loads_nothing_else():
    modules = modules_after("import watchword")
    assert not modules & {"cryptography", "msgspec", "asyncio", "http.client", "ssl", "logging"}


def test_a_verifier_needs_no_web_framework_and_no_server():
    modules = modules_after("from watchword import Verifier, SyncVerifier")
    assert not {name.partition(".")[0] for name in modules} & {
        "starlette",
        "fastapi",
        "pydantic",
        "httpx",
        "requests",
        "pytest",
        "watchword_server",
    }


FRAMEWORKS = {
    "aiohttp",
    "django",
    "fastapi",
    "fastmcp",
    "flask",
    "grpc",
    "litestar",
    "mcp",
    "ninja",
    "pydantic",
    "rest_framework",
    "starlette",
    "strawberry",
    "werkzeug",
}
NEEDS = {
    "asgi": set(),
    "wsgi": set(),
    "starlette": {"starlette"},
    "litestar": {"litestar"},
    "flask": {"flask", "werkzeug"},
    "django": {"django"},
    "aiohttp": {"aiohttp"},
    "grpc": {"grpc"},
    "graphql": {"strawberry"},
}


def test_the_library_alone_loads_no_framework():
    names = ", ".join(watchword.__all__)
    modules = modules_after(f"from watchword import {names}; import watchword.adapters")
    assert not {name.partition(".")[0] for name in modules} & FRAMEWORKS


@pytest.mark.parametrize("adapter", NEEDS)
def test_an_adapter_loads_its_own_framework_and_no_other(adapter):
    modules = modules_after(f"import watchword.adapters.{adapter}")
    assert {name.partition(".")[0] for name in modules} & FRAMEWORKS == NEEDS[adapter]


def test_a_verifier_does_not_load_what_only_certificates_need():
    assert not modules_after("from watchword import Verifier; import watchword.adapters.asgi") & {"cryptography.x509"}


def test_the_adapter_for_starlette_does_not_load_fastapi():
    assert not modules_after("import watchword.adapters.starlette") & {"fastapi", "pydantic"}
