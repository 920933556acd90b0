"""What a verifier calls itself: well formed whatever the host is called, one name a process."""

from __future__ import annotations

import os
import re
import socket

import pytest
from watchword.verify.feed_settings import Revocations
from watchword.verify.naming import HEADER, Label

WRITTEN = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9_-]+")


@pytest.mark.parametrize("host", ["web-1.example.test", "", "häuschen", "a b/c", "x" * 300, "ü"])
def test_whatever_the_host_is_called_the_header_is_one_the_server_takes(monkeypatch, host):
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    value = Label(None).headers()[HEADER]
    assert WRITTEN.fullmatch(value)
    assert len(value) <= 100


def test_all_questions_of_one_verifier_bear_one_name_and_two_verifiers_two():
    one, other = Label("orders"), Label("orders")
    assert one.headers() == one.headers()
    assert one.headers() != other.headers()
    assert one.headers()[HEADER].startswith("orders/")


def test_a_child_of_a_fork_is_another_instance(monkeypatch):
    label = Label("orders")
    before = label.headers()
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    assert label.headers() != before


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a\r\nX: y", "é", "x" * 65])
def test_a_name_that_no_server_would_take_is_refused_at_once(name):
    with pytest.raises(ValueError, match="name"):
        Revocations(name=name)
