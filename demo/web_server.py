"""A server for the folder of `demo --web`: the right types, the headers that threads need, and a replay's photographs.

It serves files of that folder and nothing else, lists none, and by default is heard on this machine alone.
"""

import logging
import socket
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from edge_deeplab.errors import DataError, OutputError

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; style-src 'self'; media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""What a browser lets the page do, as `index.html` says it too."""
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".tflite": "application/octet-stream",
    ".onnx": "application/octet-stream",
}
_SLOWEST_S = 60
"""How long a browser may be silent in a request."""
_REPLAY = "/replay/"

logger = logging.getLogger(__name__)


class Exchange(Protocol):
    """What gives and takes below /replay/."""

    def give(self, path: str) -> tuple[str, bytes]:
        """Return type and content of a path; a DataError where there is none."""

    def allowed(self, path: str) -> int:
        """Return how many bytes are taken at a path; a DataError where nothing is."""

    def take(self, path: str, content: bytes, agent: str) -> None:
        """Take what a browser of that name sends.

        Raises:
            DataError: where it is not what was expected.
            OutputError: where it cannot be written.
        """

    def settle(self) -> None:
        """Know that what was asked for or sent is answered."""


def open_server(
    folder: Path, host: str, port: int, exchange: Exchange | None = None
) -> ThreadingHTTPServer:
    """Return a server of a folder that listens and has not begun to answer.

    Args:
        folder: what is served.
        host: address that it listens on.
        port: 0 for any free one.
        exchange: of a replay.

    Raises:
        OutputError: when it cannot listen there.
    """
    handler = partial(_Handler, directory=str(folder), exchange=exchange)
    kind = _Server6 if ":" in host else _Server
    try:
        return kind((host, port), handler)
    except OSError as error:
        raise OutputError(
            f"nothing can be served on {host}:{port} ({error.strerror or error}); a free port of an address of this "
            "machine was expected; name another with --port or --host"
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking a name server what the address is called, which can take seconds."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a browser went away", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(SimpleHTTPRequestHandler):
    timeout = _SLOWEST_S
    server_version = "edge-deeplab"
    sys_version = ""

    def __init__(self, *arguments: Any, exchange: Exchange | None, **named: Any) -> None:
        self._exchange = exchange
        self.extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **_TYPES}
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        """Answer with a file, or with what a replay gives."""
        if self._exchange is None or not self.path.startswith(_REPLAY):
            super().do_GET()
            return
        self._answering(self._give, self._exchange)

    def do_PUT(self) -> None:
        """Take what a replay expects."""
        if self._exchange is None or not self.path.startswith(_REPLAY):
            self._tell(HTTPStatus.METHOD_NOT_ALLOWED, "nothing is taken here")
            return
        self._answering(self._take, self._exchange)

    def list_directory(self, path: Any) -> None:
        """Answer that a folder without a page is nothing."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Add what every answer has."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log for --debug alone."""
        logger.debug(format, *arguments)

    def _answering(self, answer: Callable[[Exchange, str], None], exchange: Exchange) -> None:
        try:
            answer(exchange, urlsplit(self.path).path.removeprefix(_REPLAY))
        except DataError as error:
            self._tell(HTTPStatus.BAD_REQUEST, str(error))
        except OutputError as error:
            self._tell(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        finally:
            exchange.settle()

    def _give(self, exchange: Exchange, path: str) -> None:
        kind, content = exchange.give(path)
        self._send(HTTPStatus.OK, kind, content)

    def _take(self, exchange: Exchange, path: str) -> None:
        most, told = exchange.allowed(path), self.headers.get("Content-Length", "")
        if not told.isascii() or not told.isdigit() or int(told) > most:
            raise DataError(f"{told or 'no number of'} bytes came; at most {most} were expected")
        exchange.take(path, self.rfile.read(int(told)), self.headers.get("User-Agent", ""))
        self._send(HTTPStatus.OK, "text/plain", b"")

    def _tell(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True  # what was not read may still come
        self._send(status, "text/plain; charset=utf-8", sentence.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
