"""Pages of small parts: spelled images, a reference that reads them, and files that read them worse."""

from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.data.dataset import Sample
from edge_deeplab.description import ClassInfo, Description, Normalisation
from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.report.filling import fill
from edge_deeplab.report.known import Page
from edge_deeplab.report.lineage import Detail
from edge_deeplab.report.watching import Watcher
from edge_deeplab.runtimes.base import ClassIds, ImagesNHWC, Logits

SCRIPT = "<script>document.title='owned';alert(1)</script>"
SIZE_HW = (24, 32)


class Spelled:
    """Labelled images whose red channel is the mask."""

    def __init__(self, names: tuple[str, ...], images: int = 5) -> None:
        self.name, self.licence, self.ignore_index = "spelled", "none", 255
        self.classes = tuple(ClassInfo(n, (40 * i, 90, 200 - 40 * i)) for i, n in enumerate(names))
        self.names = tuple(f"image-{index}" for index in range(images))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        mask = np.zeros(SIZE_HW, np.uint8)
        mask[:, 8 + 2 * index :] = 1
        mask[16:] = 2
        mask[0] = 255
        return Sample(np.stack([mask % 255] * 3, -1), mask, self.names[index])


class Reading:
    """Gives the red channel back, and one class for the first `wrong_rows` rows of each next image."""

    def __init__(
        self, path: Path, classes: tuple[ClassInfo, ...], wrong_rows: int, precision: str = "fp32"
    ) -> None:
        self.path, self.name, self.size_hw = path, "reading 1.0", SIZE_HW
        self.seen, self._wrong = 0, wrong_rows
        pixels = Normalisation((0.0,) * 3, (1.0,) * 3)
        self.description = Description(
            *("deeplab", "ref", "0" * 64, "onnx", precision, "classes", SIZE_HW, classes, 255),
            pixels,
            "none",
        )

    def predict(self, images: ImagesNHWC) -> ClassIds:
        ids = images[..., 0].copy()
        ids[:, : 2 + self._wrong * self.seen] = 2
        self.seen += 1
        return ids

    def logits(self, images: ImagesNHWC) -> Logits:
        raise NotImplementedError


def measured(dataset: Spelled, files: dict[Path, int]) -> tuple[ParityReport, Watcher]:
    """Return what parity finds of files that are wrong in ever more rows, and who saw it."""
    runtimes = {p: Reading(p, dataset.classes, wrong, "int8") for p, wrong in files.items()}
    watcher = Watcher(dataset)
    trials = open_trials(
        [*files], lambda path, size_hw: runtimes[path], dataset, make_trial=watcher.trial
    )
    reference = Reading(Path("ref.safetensors"), dataset.classes, 0)
    return measure_parity(trials, reference.path, lambda _: reference, dataset), watcher


def page_of(names: tuple[str, ...], files: dict[Path, int], title: str = "ref") -> Page:
    """Return a page of spelled images."""
    dataset = Spelled(names)
    filled = fill(*measured(dataset, files))
    data = (Detail("name", dataset.name),)
    return Page(
        title,
        0.5,
        data=data,
        classes=tuple(dataset.classes),
        references=filled.references,
        entries=filled.entries,
    )


@pytest.fixture
def page() -> Page:
    return page_of(("sky", "road", "car"), {Path("a.onnx"): 2, Path("b.tflite"): 0})
