"""User agents: one kind for every version, and nothing of the text in what is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword_server.web.device import device_kind, device_label

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "kind", "label"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "firefox/linux", "Firefox on Linux"),
        (f"{MAC} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36", "chrome/macos", "Chrome on Mac"),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "safari/macos", "Safari on Mac"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0", "edge/windows", "Edge on Windows"),
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", "safari/ios", "Safari on iPhone"),
        (f"{IPHONE} CriOS/130.0 Mobile/15E148 Safari/604.1", "chrome/ios", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36", "chrome/android", "Chrome on Android"),
        ("MyApp/3 CFNetwork/1568.100.1 Darwin/24.0.0", "cfnetwork/macos", "Apple app on Mac"),
        ("okhttp/4.12.0", "okhttp/unknown", "Android app"),
        ("curl/8.9.1", "curl/unknown", "curl"),
        ("python-requests/2.32.3", "python/unknown", "Python"),
        ("", "unknown/unknown", "Unknown device"),
        (None, "unknown/unknown", "Unknown device"),
        ("<script>alert(1)</script>", "unknown/unknown", "Unknown device"),
    ],
)  # fmt: skip
def test_devices_are_told_apart_by_family_and_platform(user_agent, kind, label):
    assert device_kind(user_agent) == kind
    assert device_label(user_agent) == label


def test_an_update_of_the_browser_does_not_make_it_another_device():
    old = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0"
    assert device_kind(old) == device_kind(old.replace("115", "141"))


@given(st.text(max_size=3000))
def test_any_text_gives_a_kind_and_a_label_made_of_known_words(text):
    assert re.fullmatch(r"[a-z]+/[a-z-]+", device_kind(text))
    assert re.fullmatch(r"[A-Za-z. ]+", device_label(text))
