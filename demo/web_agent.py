"""What a browser's User-Agent tells of its device and system, which is little and may be made up."""

import re

_UNKNOWN = "unknown"
_SYSTEMS = (
    (re.compile(r"(?:iPhone|CPU) OS (\d+)[_.](\d+)"), "iOS {}.{}"),
    (re.compile(r"Android (\d+)"), "Android {}"),
    (re.compile(r"Windows NT (\d+)"), "Windows {}"),
    (re.compile(r"Mac OS X (\d+)[_.](\d+)"), "macOS {}.{}"),
    (re.compile(r"CrOS"), "ChromeOS"),
    (re.compile(r"Linux"), "Linux"),
)
_BROWSERS = (
    (re.compile(r"\bEdg(?:A|iOS)?/(\d+)"), "Edge {}"),
    (re.compile(r"\b(?:Firefox|FxiOS)/(\d+)"), "Firefox {}"),
    (re.compile(r"\b(?:HeadlessChrome|Chrome|CriOS)/(\d+)"), "Chrome {}"),
    (re.compile(r"\bVersion/(\d+).*Safari"), "Safari {}"),
)
_DEVICES = (
    (re.compile(r"\b(iPhone|iPad)\b"), "{}"),
    (re.compile(r"Android [\d.]+; ([\w .()-]{2,40}?)(?: Build/[^;)]*)?[;)]"), "{}"),
    (re.compile(r"Android"), "Android device"),
)


def describe_agent(agent: str) -> tuple[str, str]:
    """Return device and system in words; the device names the browser, because that is what ran.

    Args:
        agent: a User-Agent header.
    """
    browser = _first(_BROWSERS, agent)
    device = _first(_DEVICES, agent)
    named = [name for name in (device, browser) if name != _UNKNOWN]
    return ", ".join(named) or _UNKNOWN, _first(_SYSTEMS, agent)


def _first(known: tuple[tuple[re.Pattern[str], str], ...], agent: str) -> str:
    for pattern, name in known:
        if match := pattern.search(agent):
            return name.format(*match.groups())
    return _UNKNOWN
