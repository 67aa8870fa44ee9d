"""Where a page that is served is found: its address, and the same as a QR code for a phone's camera."""

import ipaddress
import socket

from edge_deeplab.errors import require

LOOPBACK = "127.0.0.1"
_ELSEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): asking which way leads there sends nothing."""
_QUIET_ZONE = 2
_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}


def is_loopback(host: str) -> bool:
    """Return whether an address is heard on this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(host: str, port: int) -> str:
    """Return what a person opens; without https browsers give a camera to localhost and to 127.0.0.0/8 alone."""
    if host in ("localhost", LOOPBACK, "::1"):  # 127.0.0.2 is loopback too, and no localhost
        return f"http://localhost:{port}/"
    name = _network_address() if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _network_address() -> str:
    """Return this machine's address in the network that leads elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def qr_code(text: str) -> str:
    """Return a text as a QR code of half blocks, to be shown black on white.

    Raises:
        MissingDependencyError: when segno is not installed.
    """
    segno = require("segno", package="segno", extra="web")
    rows = [
        [bool(dark) for dark in row]
        for row in segno.make(text, error="m").matrix_iter(border=_QUIET_ZONE)
    ]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        lines.append("".join(_HALVES[pair] for pair in zip(upper, lower, strict=True)))
    return "\n".join(lines)
