"""No secret reaches the log, whatever way it takes."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.web.logs import ConsoleFormatter, JsonFormatter, configure
from watchword_server.web.redaction import redact, redact_text

JWT = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLWJ5dGVz"
REFRESH = "wr_k1.bXktZmFtaWx5LWlk.12.bWFjLW9mLXRoZS10b2tlbg"
OPAQUE = "wo_ZGVlcC1zZWNyZXQtYnl0ZXM"
PASSWORD = "correct-horse-battery-9"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
SECRETS = (JWT, "c2lnbmF0dXJl", REFRESH, "bWFjLW9m", OPAQUE, "ZGVlcC1z", PASSWORD, HASH, "aGFzaGhhc2g")


@pytest.fixture
def lines():
    stream = io.StringIO()
    logger = logging.getLogger("tests.redaction")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel("DEBUG")
    yield logger, stream
    logger.removeHandler(handler)


def careless(logger: logging.Logger) -> None:
    logger.info("token %s", JWT)
    logger.info("refresh %s and opaque %s", REFRESH, OPAQUE)
    logger.info(
        "headers",
        extra={"headers": {"Authorization": f"Bearer {OPAQUE}", "cookie": f"__Secure-watchword-refresh={REFRESH}"}},
    )
    logger.info(
        "raw headers",
        extra={"raw": [(b"authorization", f"Bearer {JWT}".encode()), (b"cookie", f"x={PASSWORD}".encode())]},
    )
    logger.info("body", extra={"body": json.dumps({"password": PASSWORD, "nested": {"refresh_token": REFRESH}})})
    logger.info("body as bytes", extra={"body": json.dumps({"new_password": PASSWORD}).encode()})
    logger.info("form grant_type=password&password=%s&scope=a", PASSWORD)
    logger.info("url", extra={"url": f"https://x.test/cb?access_token={OPAQUE}&client_secret={PASSWORD}"})
    logger.info("database postgresql://watchword:%s@db/watchword", PASSWORD)
    logger.info("hash", extra={"password_hash": HASH, "other": HASH})
    logger.info(
        "names",
        extra={"password": PASSWORD, "masterKey_secret": PASSWORD, "tokens": [PASSWORD], "db.password": PASSWORD},
    )
    logger.info("repr %r", {"password": PASSWORD, "Set-Cookie": f"watchword-refresh={PASSWORD}; Path=/auth"})
    logger.info("key -----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----", PASSWORD)
    logger.info("odd __password=%s x-client_secret=%s", PASSWORD, PASSWORD)
    logger.info("jwk %s", json.dumps({"kty": "EC", "d": PASSWORD}))
    logger.info("cookie: a=1; session=%s", PASSWORD)
    try:
        raise ValueError(f"bad token {REFRESH} with password={PASSWORD}")
    except ValueError:
        logger.exception("failed")


def test_nothing_a_careless_caller_logs_shows_a_secret(lines):
    logger, stream = lines
    careless(logger)
    written = stream.getvalue()
    assert written.count("\n") == 17
    for secret in SECRETS:
        assert secret not in written, secret
    for line in written.splitlines():
        assert json.loads(line)["level"] in {"info", "error"}


def test_a_line_whose_arguments_do_not_fit_is_kept_without_them():
    record = logging.makeLogRecord({"msg": "does not fit %d", "args": (REFRESH,), "levelname": "INFO"})
    assert json.loads(JsonFormatter().format(record))["event"] == "does not fit %d"


def test_console_lines_hide_the_same_and_cannot_be_forged(lines):
    logger, stream = lines
    logger.handlers[0].setFormatter(ConsoleFormatter())
    careless(logger)
    logger.info("a name\n2026 ERROR forged", extra={"user": "x\r\ny"})
    written = stream.getvalue()
    for secret in SECRETS:
        assert secret not in written, secret
    assert "\n2026" not in written


def test_what_is_no_secret_stays_readable():
    text = "session 4f2b ended for account 01jd, 3 of 12 tries, GET /auth/sessions 200 Firefox on Linux"
    assert redact_text(text) == text
    assert redact({"status": 200, "path": "/auth/login", "reason": "reuse", "monkey": "x", "token_type": "Bearer"}) == {
        "status": 200, "path": "/auth/login", "reason": "reuse", "monkey": "x", "token_type": "Bearer",
    }  # fmt: skip


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=12, max_size=60))
def test_whatever_follows_a_prefix_of_ours_is_taken_out(body):
    for prefix in ("wr_", "wo_", "wmk_"):
        assert body not in redact_text(f"seen {prefix}{body} there")


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_value_can_be_redacted_to_json(value):
    json.dumps(redact(value))


def test_a_huge_or_hostile_text_is_redacted_in_bounded_work():
    for hostile in (
        "eyJ" * 100_000, "password=" * 50_000, '"password":"' + "\\" * 200_000, "a" * 10**6, "://" + ":" * 200_000, "=" + "a_" * 16_000,
        "=" + "_" * 32_000, "'a" * 16_000, "bearer" + " " * 32_000, '"d" ' * 8_000, "-----BEGIN " * 3_000, '"a_' * 10_000,
    ):  # fmt: skip
        assert len(redact_text(hostile)) < 200_000


def test_configuring_catches_uvicorn_and_silences_its_access_log(restore_logging):
    stream = io.StringIO()
    # As any server of uvicorn in this process leaves it.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    configure("info", "json", stream=stream)
    logging.getLogger("uvicorn.error").info("started with %s", JWT)
    logging.getLogger("uvicorn.access").info("GET /?token=%s", OPAQUE)
    logging.getLogger("watchword_server.anything").debug("not written")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["logger"] == "uvicorn.error"
    assert JWT not in lines[0]


@pytest.fixture
def restore_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    assert sys.stderr
