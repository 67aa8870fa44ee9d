"""A runtime that needs no file, small folders and films, and real artifacts of a network of one layer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.data.images import ImageHWC
from edge_deeplab.demo.frames import Frame
from edge_deeplab.demo.record import record
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits, Runtime
from tests.demo.web import serve, sites

__all__ = ["serve", "sites"]  # fixtures, which pytest finds by name in this file

CLASSES = (
    ClassInfo("red", (200, 30, 20)),
    ClassInfo("green", (20, 180, 40)),
    ClassInfo("blue", (10, 20, 90)),
)


class BrightestChannel(Runtime):
    """A `Runtime` whose class is the brightest channel of a pixel, so that expected class maps can be drawn by hand."""

    name = "brightest-channel 1"
    path = Path("brightest.onnx")
    size_hw = (32, 48)

    def __init__(self, *, describes_itself: bool = True) -> None:
        self.description = describe() if describes_itself else None

    def predict(self, images: ImagesNHWC) -> ClassIds:
        """Return the index of the brightest channel."""
        assert images.shape[1:] == (*self.size_hw, 3)
        assert images.dtype == np.uint8
        return images.argmax(axis=-1).astype(np.uint8)

    def logits(self, images: ImagesNHWC) -> Logits:
        """Return the channels themselves."""
        return np.moveaxis(images, -1, 1).astype(np.float32)


def describe() -> Description:
    """Return a description with the three classes of `CLASSES`."""
    return Description(
        model="brightest",
        checkpoint="none",
        checkpoint_sha256="",
        target="onnx",
        precision="fp32",
        head="classes",
        size_hw=(32, 48),
        classes=CLASSES,
        ignore_index=None,
        normalisation=Normalisation((0, 0, 0), (1, 1, 1)),
        licence="CC0",
    )


def halves(index: int = 0, size_hw: tuple[int, int] = (64, 96)) -> ImageHWC:
    """Return a picture that is red at the left and green at the right; the border moves with `index`."""
    image = np.zeros((*size_hw, 3), np.uint8)
    border = size_hw[1] // 2 + 2 * index
    image[:, :border, 0] = 220
    image[:, border:, 1] = 220
    return image


def frames(count: int, size_hw: tuple[int, int] = (64, 96)) -> list[Frame]:
    """Return frames of `halves`, a quarter of a second apart."""
    return [Frame(halves(i, size_hw), i / 4, f"frame_{i:03d}") for i in range(count)]


@pytest.fixture
def runtime() -> BrightestChannel:
    """A runtime that needs no file."""
    return BrightestChannel()


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder of five PNG pictures and a file that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        Image.fromarray(halves(index)).save(folder / f"street_{index}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a film of `frames`."""

    def make(count: int = 6, size_hw: tuple[int, int] = (64, 96)) -> Path:
        path = tmp_path / "film.mp4"
        with record(path) as recorder:
            for frame in frames(count, size_hw):
                recorder.show(frame.image_hwc, frame)
        return path

    return make


def export_brightest(target: str, folder: Path, bias: float | None = None) -> Path:
    """Export a file that does what `BrightestChannel` does, with this project's converters.

    Args:
        target: the format.
        folder: where it is written.
        bias: is added to every score.
    """
    torch = pytest.importorskip("torch", reason="the converters need it")
    from edge_deeplab.converters.capture import capture
    from edge_deeplab.converters.export import export_graph, file_name

    description = replace(describe(), target=target)
    network = torch.nn.Conv2d(3, len(CLASSES), 1, bias=bias is not None).eval()
    if bias is not None:
        torch.nn.init.constant_(network.bias, bias)
    torch.nn.init.dirac_(network.weight)  # each class scores what its channel holds
    graph = capture(network, description.normalisation, description.size_hw, "classes")
    return export_graph(graph, description, folder / file_name(description)).path


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An .onnx and a .tflite file, by target, of `export_brightest`."""
    folder = tmp_path_factory.mktemp("artifacts")
    return {target: export_brightest(target, folder) for target in ("onnx", "tflite")}
