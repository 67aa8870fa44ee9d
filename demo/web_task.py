"""What `demo --web` does, step by step: check, write the folder, serve it, and replay photographs in a browser."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.demo.golden import golden_images
from edge_deeplab.demo.pipeline import stopping_on_signals
from edge_deeplab.demo.replay import check_output, find_photographs, name_class_maps
from edge_deeplab.demo.web_address import LOOPBACK, address_of, is_loopback, qr_code
from edge_deeplab.demo.web_folder import SITE, WebSite, is_own, runtime_for, write_site
from edge_deeplab.demo.web_packages import require_tarballs
from edge_deeplab.demo.web_replay import BrowserReplay, BrowserTask
from edge_deeplab.demo.web_server import Exchange, open_server
from edge_deeplab.errors import require
from edge_deeplab.files import check_outputs, check_replaceable, replace_when_complete
from edge_deeplab.formats.replay import Replay
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime

PORT = 8000
TO_EVERYBODY = (
    "warning: everybody who reaches this machine's network address can open the page; a browser gives a page over "
    "plain http no camera, so put https before it (docs/web.md)"
)
_POLL_S = 0.2


@dataclass(frozen=True)
class WebTask:
    """What is asked for.

    Args:
        folder: of the page.
        runtime_dir: a folder with the tarballs of the runtime; None for cache and registry.
        host: address to serve on.
        port: 0 for any free one.
        photographs: a folder of those to replay in a browser, or labelled data; None where nothing is replayed.
        split: of labelled data, also for golden frames.
        limit: replay so many at most.
        masks: the folder of their class maps.
        max_pixels: a larger photograph is refused.
    """

    folder: Path
    runtime_dir: Path | None = None
    host: str = LOOPBACK
    port: int = PORT
    photographs: Path | None = None
    split: str = "test"
    limit: int | None = None
    masks: Path | None = None
    max_pixels: int = MAX_PIXELS

    @property
    def warning(self) -> str | None:
        """What must be said before it is served; None on this machine's own address."""
        return None if is_loopback(self.host) else TO_EVERYBODY

    def check(self, model: Path, *, serving: bool, with_qr: bool) -> None:
        """Check, before the model is opened, what can be known by then.

        Args:
            model: the file.
            serving: whether the folder is to be served.
            with_qr: whether the address is to be drawn.

        Raises:
            ArtifactError: when no browser runs the file.
            DataError: when there are no photographs, or two would have one class map.
            MissingDependencyError: when nothing draws a QR code.
            OutputError: when a folder cannot be written, or holds something else, or nothing can be served there.
            ToolError: when a named folder has not what runs the model.
        """
        packages = runtime_for(model).packages
        if self.runtime_dir is not None:
            require_tarballs(packages, self.runtime_dir)
        if serving:
            open_server(self.folder, self.host, self.port).server_close()
        if with_qr:
            require("segno", package="segno", extra="web")
        check_outputs(folders=(self.folder, self.masks), read=self._read(model))
        check_replaceable(self.folder, SITE, is_own)
        if self.masks is not None:
            name_class_maps(self._found())
            check_output(self.masks)

    def golden_images(self, data: Path | None) -> SegmentationDataset:
        """Return the images of golden frames; errors as for `golden.golden_images`."""
        return golden_images(data, self.split, self.max_pixels)

    def write(
        self, runtime: Runtime, dataset: SegmentationDataset, progress: Progress = SILENT
    ) -> WebSite:
        """Write the folder; arguments and errors as for `write_site`."""
        return write_site(runtime, dataset, self.folder, self.runtime_dir, progress)

    def serve(self, tell: Callable[[str], None]) -> None:
        """Serve the folder until Ctrl-C.

        Args:
            tell: given the address once it answers.

        Raises:
            OutputError: when nothing can be served there.
        """
        stop = threading.Event()
        with stopping_on_signals(stop), self._serving() as address:
            tell(address)
            while not stop.wait(_POLL_S):
                pass

    def replay(
        self, site: WebSite, tell: Callable[[str], None], progress: Progress = SILENT
    ) -> Replay:
        """Serve the page until a browser has replayed every photograph.

        Args:
            site: the page.
            tell: given the address to open.
            progress: told of each class map.

        Returns:
            What stands in `replay.json`.

        Raises:
            DataError: when two photographs would have one class map, or one of them cannot be read.
            OutputError: when nothing can be served, or the class maps cannot be written.
        """
        assert self.masks is not None, "a replay was asked for"
        asked = BrowserTask(site, name_class_maps(self._found()), self.max_pixels)
        with replace_when_complete(self.masks) as folder:
            folder.mkdir()
            exchange = BrowserReplay(asked, folder, progress)
            with self._serving(exchange) as address:
                tell(f"{address}?replay={exchange.token}")
                progress.begin("waiting for the browser", len(asked.photographs), "class maps")
                while not exchange.done.wait(_POLL_S):
                    pass
            if exchange.failure is not None:
                raise exchange.failure
        assert exchange.replay is not None, "it is done"
        return exchange.replay

    def draw(self, address: str) -> str:
        """Return an address as a QR code; errors as for `qr_code`."""
        return qr_code(address)

    def _read(self, model: Path) -> tuple[Path, ...]:
        return (model,) if self.photographs is None else (model, self.photographs)

    def _found(self) -> Sequence[Path]:
        assert self.photographs is not None, "a replay was asked for"
        return find_photographs(self.photographs, self.split)[: self.limit]

    @contextmanager
    def _serving(self, exchange: Exchange | None = None) -> Iterator[str]:
        """Answer while the block lasts; gives the address."""
        server = open_server(self.folder, self.host, self.port, exchange)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield address_of(self.host, server.server_port)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
