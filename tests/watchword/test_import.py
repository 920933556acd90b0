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


def test_the_adapter_for_starlette_does_not_load_fastapi():
    assert not modules_after("import watchword.adapters.starlette") & {"fastapi", "pydantic"}
