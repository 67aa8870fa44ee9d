"""The service worker: the page with its server stopped, on a host without headers, and after a new version."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_deeplab import api
from edge_deeplab.demo.web_folder import WebSite, write_site
from edge_deeplab.demo.web_server import open_server
from tests.demo.chromium import Chromium
from tests.demo.test_web_page import READY, SHARES, click, opened, text
from tests.demo.web import NoiseDataset

KEPT = "navigator.serviceWorker.controller !== null"


@contextmanager
def answering(server: http.server.ThreadingHTTPServer) -> Iterator[str]:
    """Answer while the block lasts; gives the address."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_page_works_with_the_server_stopped_after_one_visit(sites: dict[str, WebSite]) -> None:
    with Chromium() as browser:
        with answering(open_server(sites["tflite"].path, "127.0.0.1", 0)) as address:
            opened(browser, address)
            assert browser.evaluate(KEPT)
            click(browser, "#check")  # the golden frames are kept when they are used
            browser.wait_for(f"{SHARES}.length === 8")
        opened(browser, address)
        assert text(browser, "got").startswith("WASM")
        click(browser, "#check")
        browser.wait_for(f"{SHARES}.length === 8")
        assert browser.evaluate(SHARES) == [1.0] * 8


class _Plain(http.server.SimpleHTTPRequestHandler):
    """A host that sets no headers, below a path of its own."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_host_without_headers_below_a_path_is_isolated_from_the_second_load(
    sites: dict[str, WebSite], tmp_path: Path
) -> None:
    shutil.copytree(sites["onnx"].path, tmp_path / "some" / "where")
    handler = functools.partial(_Plain, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with answering(server) as address, Chromium() as browser:
        opened(browser, f"{address}some/where/")
        assert not browser.evaluate("crossOriginIsolated")
        assert text(browser, "got") == "WASM, 1 thread"
        opened(browser, f"{address}some/where/index.html")
        assert browser.evaluate("crossOriginIsolated")
        assert all(request.startswith(f"{address}some/where/") for request in browser.requests)


def test_new_version_is_offered_and_loaded_on_request(
    sites: dict[str, WebSite], artifacts: dict[str, Path], tmp_path: Path
) -> None:
    class Others(NoiseDataset):
        def __len__(self) -> int:
            return 16

    folder = tmp_path / "site"
    shutil.copytree(sites["onnx"].path, folder)
    with answering(open_server(folder, "127.0.0.1", 0)) as address, Chromium() as browser:
        opened(browser, address)
        site = write_site(api.open_artifact(artifacts["onnx"]), Others(), folder)
        opened(browser, address)
        browser.wait_for("!document.getElementById('update').hidden")
        version = "fetch('site.json').then((answer) => answer.json()).then((site) => site.version)"
        assert browser.evaluate(version) == sites["onnx"].version
        browser.evaluate("window.old = true")
        click(browser, "#update-now")
        browser.wait_for(f"!window.old && document.readyState === 'complete' && ({READY})")
        assert browser.evaluate(version) == site.version


def test_manifest_makes_the_page_installable(sites: dict[str, WebSite]) -> None:
    with (
        answering(open_server(sites["onnx"].path, "127.0.0.1", 0)) as address,
        Chromium() as browser,
    ):
        opened(browser, address)
        manifest = browser.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert browser.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
