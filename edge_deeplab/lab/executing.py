"""A file run by a device's simulator or accelerator on labelled images, against its own runtime on this machine."""

from collections.abc import Callable, Mapping
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.documents import Fields
from edge_deeplab.errors import ToolError
from edge_deeplab.evaluation.bootstrap import bootstrap_interval
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.evaluation.metrics import pixel_agreement
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.evaluation.scores import Evaluation, finite_or_none
from edge_deeplab.files import file_sha256
from edge_deeplab.formats.sizes import Size
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.kept import keep_answer
from edge_deeplab.lab.references import References
from edge_deeplab.lab.report import AgainstReference, Execution
from edge_deeplab.lab.runtime import ToolRuntime
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.targets import TARGETS, target_of
from edge_deeplab.versions import installed_versions

_MOST_IMAGES = 1 << 30
_REFERENCE_PACKAGES = ("torch", "timm")


def execute(
    path: Path,
    size_hw: Size | None,
    device: Device,
    request: ScoringRequest,
    references: References,
    progress: Progress = SILENT,
) -> Execution:
    """Return what a device computes of labelled images; what it computed before is kept.

    Args:
        path: the file.
        size_hw: the size that it is run at, of one that lists several.
        device: one that executes.
        request: how the file is opened, and what its ids mean.
        references: the images, and the checkpoints that files are also held against.
        progress: told of each image.

    Raises:
        EdgeDeepLabError: when the file, the images or the tool cannot be used.
    """
    checkpoint = references.find(path)
    asked: dict[str, Any] = {
        "verb": "run",
        "device": device.argument,
        "data": references.digest,
        "class_map": repr(request.read_class_map()),
        "normalisation": repr(request.normalisation),
        "threshold": request.threshold,
        "runtime": request.runtime,
        "packages": _packages(path, scored=checkpoint is not None),
        "reference": None if checkpoint is None else file_sha256(checkpoint),
    }
    if size_hw is not None:
        asked["size_hw"] = size_hw
    status = inspect_tool(TOOLS[device.tool])

    def run() -> Mapping[str, Any]:
        score = None if checkpoint is None else partial(references.score, checkpoint)
        with request.open_file(path, size_hw) as own:
            assert isinstance(own, ArtifactRuntime), "an exported file was opened"
            return _run(own, device, request, references.dataset, score, progress)

    try:
        return _read(Fields(keep_answer(status, path, asked, run)), checkpoint)
    except ValueError as error:
        raise ToolError(device.tool, f"what was kept of it cannot be read ({error})") from error


def _packages(path: Path, *, scored: bool) -> Mapping[str, str]:
    """Return the versions of what else computes: the file's own runtime, and the reference where one is scored."""
    target = target_of(path)
    own = TARGETS[target].packages if target else ()
    return installed_versions(*own, *(_REFERENCE_PACKAGES if scored else ()))


def _run(
    own: ArtifactRuntime,
    device: Device,
    request: ScoringRequest,
    dataset: SegmentationDataset,
    score: Callable[[tuple[int, int]], Evaluation] | None,
    progress: Progress,
) -> dict[str, Any]:
    """Return as JSON values how the device differs from the file's own runtime, and from the reference."""
    class_map = request.read_class_map()
    reference = None if score is None else score(own.size_hw)
    with ToolRuntime(own, device) as runtime:
        sides = [Contestant(side, dataset, class_map) for side in (own, runtime)]
        tallies = [Tally(dataset) for _ in sides]
        agreements = []
        progress.begin(f"{own.path.name} on {device.argument}", len(dataset), "images")
        for index in range(len(dataset)):
            sample = dataset[index]
            found = [side.predict(sample.image_hwc) for side in sides]
            for tally, (ids, latency_ms) in zip(tallies, found, strict=True):
                tally.add(sample, ids, latency_ms)
            agreements.append(pixel_agreement(found[0][0], found[1][0]))
            progress.advance()
        before, after = (t.evaluation(s) for t, s in zip(tallies, sides, strict=True))
    return {
        "agreement": float(np.mean(agreements)),
        "own": _difference(before, after),
        "reference": None if reference is None else _difference(reference, after),
        "images": len(dataset),
        "seconds_an_image": after.latency_ms / 1000,
    }


def _difference(before: Evaluation, after: Evaluation) -> dict[str, float | None]:
    low, high = bootstrap_interval(before.confusions, after.confusions)
    points = {"delta_miou": after.miou - before.miou, "low": low, "high": high}
    return {name: finite_or_none(value) for name, value in points.items()}


def _read(answer: Fields, checkpoint: Path | None) -> Execution:
    reference = (
        AgainstReference(checkpoint, *_read_difference(answer.fields("reference")))
        if checkpoint and answer.has("reference")
        else None
    )
    return Execution(
        answer.number("agreement"),
        *_read_difference(answer.fields("own")),
        answer.integer("images", 1, _MOST_IMAGES),
        answer.number("seconds_an_image"),
        reference,
    )


def _read_difference(answer: Fields) -> tuple[float, tuple[float, float]]:
    delta, low, high = (
        answer.number(name) if answer.has(name) else nan for name in ("delta_miou", "low", "high")
    )
    return delta, (low, high)
