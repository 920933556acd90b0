"""What kind of device is calling, as far as its User-Agent tells: for people, and for telling one from another.

Does not identify anyone: versions are left out on purpose, since they change under a living session.
"""

from __future__ import annotations

from functools import lru_cache

UNKNOWN = "unknown"
_LONGEST = 512

# Order matters: later engines claim the names of earlier ones, so the most specific mark comes first.
_FAMILIES = (
    ("edg/", "edge", "Edge"), ("edga/", "edge", "Edge"), ("edgios/", "edge", "Edge"), ("edge/", "edge", "Edge"),
    ("opr/", "opera", "Opera"), ("opera", "opera", "Opera"), ("opt/", "opera", "Opera"),
    ("samsungbrowser/", "samsung", "Samsung Internet"), ("vivaldi/", "vivaldi", "Vivaldi"),
    ("yabrowser/", "yandex", "Yandex Browser"), ("duckduckgo/", "duckduckgo", "DuckDuckGo"),
    ("ucbrowser/", "uc", "UC Browser"), ("electron/", "electron", "Desktop app"),
    ("firefox/", "firefox", "Firefox"), ("fxios/", "firefox", "Firefox"), ("focus/", "firefox", "Firefox"),
    ("headlesschrome/", "chrome", "Chrome"), ("crios/", "chrome", "Chrome"), ("chromium/", "chrome", "Chrome"),
    ("; wv)", "webview", "Android app"), ("chrome/", "chrome", "Chrome"),
    ("safari/", "safari", "Safari"), ("msie ", "ie", "Internet Explorer"), ("trident/", "ie", "Internet Explorer"),
    ("okhttp/", "okhttp", "Android app"), ("dalvik/", "dalvik", "Android app"), ("cfnetwork/", "cfnetwork", "Apple app"),
    ("dart/", "dart", "Flutter app"), ("curl/", "curl", "curl"), ("wget/", "wget", "Wget"),
    ("postmanruntime/", "postman", "Postman"), ("insomnia/", "insomnia", "Insomnia"),
    ("python-requests/", "python", "Python"), ("python-httpx", "python", "Python"), ("httpx2", "python", "Python"),
    ("aiohttp/", "python", "Python"), ("python-urllib/", "python", "Python"), ("python/", "python", "Python"),
    ("watchword/", "watchword", "Watchword client"), ("node-fetch", "node", "Node.js"), ("undici", "node", "Node.js"),
    ("axios/", "node", "Node.js"), ("node", "node", "Node.js"), ("go-http-client/", "go", "Go"),
    ("java/", "java", "Java"), ("apache-httpclient/", "java", "Java"),
    ("applewebkit/", "webkit", "WebKit"), ("gecko/", "gecko", "Gecko"),
)  # fmt: skip
_PLATFORMS = (
    ("windows phone", "windows-phone", "Windows Phone"), ("ipad", "ipados", "iPad"), ("iphone", "ios", "iPhone"),
    ("ipod", "ios", "iPhone"), ("android", "android", "Android"), ("dalvik", "android", "Android"),
    ("cros ", "chromeos", "ChromeOS"), ("windows", "windows", "Windows"), ("darwin", "macos", "Mac"),
    ("macintosh", "macos", "Mac"), ("mac os", "macos", "Mac"), ("freebsd", "freebsd", "FreeBSD"),
    ("openbsd", "openbsd", "OpenBSD"), ("linux", "linux", "Linux"), ("x11", "linux", "Linux"),
)  # fmt: skip


def _find(marks: tuple[tuple[str, str, str], ...], text: str) -> tuple[str, str] | None:
    return next(((kind, label) for mark, kind, label in marks if mark in text), None)


@lru_cache(maxsize=2048)
def _recognised(user_agent: str) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    text = user_agent.lower()
    return _find(_FAMILIES, text), _find(_PLATFORMS, text)


def device_kind(user_agent: str | None) -> str:
    """``firefox/linux``: family and platform, the same for every version. ``unknown/unknown`` when nothing is known."""
    family, platform = _recognised((user_agent or "")[:_LONGEST])
    return f"{family[0] if family else UNKNOWN}/{platform[0] if platform else UNKNOWN}"


def device_label(user_agent: str | None) -> str:
    """``Firefox on Linux``, for people. Holds nothing of the text itself, whatever it is."""
    family, platform = _recognised((user_agent or "")[:_LONGEST])
    if family and platform:
        return f"{family[1]} on {platform[1]}"
    if family or platform:
        return (family or platform or ("", ""))[1]
    return "Unknown device"
