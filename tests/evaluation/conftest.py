"""A data set whose images spell their own labels, and runtimes that read them, well or badly."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.data.dataset import Sample
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.errors import ArtifactError
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits

CLASSES = (
    ClassInfo("sky", (0, 0, 255)),
    ClassInfo("road", (128, 64, 128)),
    ClassInfo("car", (255, 0, 0)),
)
VOID = 255


@dataclass
class SpelledDataset:
    """Labelled images whose red channel is the mask itself (void spelled as class 0)."""

    masks: list[np.ndarray]
    name: str = "spelled"
    licence: str = "none"
    classes: tuple[ClassInfo, ...] = CLASSES
    ignore_index: int | None = VOID

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"image-{index}" for index in range(len(self.masks)))

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> Sample:
        mask = self.masks[index]
        red = np.where(mask == VOID, 0, mask).astype(np.uint8)
        return Sample(np.stack([red, red, red], -1), mask, f"image-{index}")


@dataclass
class ReadingRuntime:
    """Read labels off the red channel, then put `wrong_id` into the first `wrong_rows` rows."""

    path: Path = Path("model.onnx")
    size_hw: tuple[int, int] = (8, 8)
    description: Description | None = None
    wrong_rows: int = 0
    wrong_id: int = 2
    fails_at: int | None = None
    scored_classes: int | None = None
    name: str = "reading 1.0"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def predict(self, images: ImagesNHWC) -> ClassIds:
        if self.fails_at == len(self.seen):
            raise RuntimeError("delegate crashed\nwith a long story")
        self.seen.append(images.shape)
        ids = images[..., 0].copy()
        ids[:, : self.wrong_rows] = self.wrong_id
        return ids

    def logits(self, images: ImagesNHWC) -> Logits:
        if self.scored_classes is None:
            raise ArtifactError("it has no scores to read")
        return np.zeros((len(images), self.scored_classes, *self.size_hw), np.float32)


def describe(
    names: tuple[str, ...] = ("sky", "road", "car"),
    *,
    checkpoint: str = "ref",
    sha256: str = "0" * 64,
) -> Description:
    """Return what an artifact with these class names says of itself."""
    return Description(
        model="deeplabv3plus_efficientnet_lite0",
        checkpoint=checkpoint,
        checkpoint_sha256=sha256,
        target="onnx",
        precision="fp32",
        head="classes",
        size_hw=(8, 8),
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in names),
        ignore_index=VOID,
        normalisation=Normalisation((127.0,) * 3, (128.0,) * 3),
        licence="none",
    )


@pytest.fixture
def dataset() -> SpelledDataset:
    """Six 8x8 images: sky above road, a car in some, a void row."""
    masks = []
    for index in range(6):
        mask = np.zeros((8, 8), np.uint8)
        mask[3 + index % 3 :] = 1
        if index % 2:
            mask[5:7, 2:5] = 2
        mask[7] = VOID
        masks.append(mask)
    return SpelledDataset(masks)


@pytest.fixture
def runtime() -> Callable[..., ReadingRuntime]:
    """Give a maker of runtimes that describe themselves unless told otherwise."""

    def make(name: str = "model.onnx", **changes: object) -> ReadingRuntime:
        return ReadingRuntime(Path(name), **{"description": describe(), **changes})

    return make


@pytest.fixture
def description() -> Callable[..., Description]:
    """Give `describe`."""
    return describe
