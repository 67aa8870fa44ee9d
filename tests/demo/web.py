"""Pages of tiny models, served to a browser."""

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab import api
from edge_deeplab.data.dataset import Sample
from edge_deeplab.demo.web_folder import WEB_RUNTIMES, WebSite, write_site
from edge_deeplab.demo.web_packages import read_package
from edge_deeplab.demo.web_server import Exchange, open_server
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ToolError

Serve = Callable[..., str]


class NoiseDataset:
    """Nine pictures of noise in colour, larger than the tiny models take them."""

    name, licence, ignore_index = "noise", "none", None
    classes = (ClassInfo("noise", (0, 0, 0)),)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pictures."""
        return tuple(f"noise-{index}" for index in range(len(self)))

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Sample:
        image = np.random.default_rng(index).integers(0, 256, (50, 70, 3), np.uint8)
        return Sample(image, np.zeros((50, 70), np.uint8), self.names[index])


def require_packages(target: str) -> None:
    """Skip a test where what runs that format in a browser cannot be had."""
    if reason := lack_of_packages(target):
        pytest.skip(f"npm's packages are absent: {reason}")


@cache
def lack_of_packages(target: str) -> str:
    """Return why the packages cannot be had; nothing where they can. A registry is asked once."""
    try:
        for package in WEB_RUNTIMES[target].packages:
            read_package(package)
    except ToolError as error:
        return str(error)
    return ""


def site_of(file: Path, folder: Path) -> WebSite:
    """Write a file's page."""
    require_packages(file.suffix[1:])
    return write_site(api.open_artifact(file), NoiseDataset(), folder)


@pytest.fixture(scope="session")
def sites(
    artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, WebSite]:
    """The pages of `artifacts`, by target."""
    folder = tmp_path_factory.mktemp("sites")
    return {target: site_of(file, folder / target) for target, file in artifacts.items()}


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves a folder and returns its address, until the test ends."""
    servers = []

    def start(folder: Path, exchange: Exchange | None = None, host: str = "127.0.0.1") -> str:
        server = open_server(folder, host, 0, exchange)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://localhost:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
