"""A file run by a device's simulator or accelerator on labelled images, against its own runtime on this machine."""

import hashlib
from collections.abc import Mapping
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
from edge_deeplab.evaluation.scores import finite_or_none
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.kept import keep_answer
from edge_deeplab.lab.report import Execution
from edge_deeplab.lab.runtime import ToolRuntime
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.artifact import ArtifactRuntime

_MOST_IMAGES = 1 << 30


def execute(
    path: Path,
    device: Device,
    request: ScoringRequest,
    dataset: SegmentationDataset,
    progress: Progress = SILENT,
) -> Execution:
    """Return what a device computes of labelled images; what it computed before is kept.

    Args:
        path: the file.
        device: one that executes.
        request: how the file is opened, and what its ids mean.
        dataset: the images.
        progress: told of each image.

    Raises:
        EdgeDeepLabError: when the file, the images or the tool cannot be used.
    """
    asked = {
        "verb": "run",
        "device": device.argument,
        "data": _digest(dataset),
        "class_map": repr(request.read_class_map()),
        "normalisation": repr(request.normalisation),
    }
    status = inspect_tool(TOOLS[device.tool])

    def run() -> Mapping[str, Any]:
        return _run(path, device, request, dataset, progress)

    try:
        return _read(Fields(keep_answer(status, path, asked, run)))
    except ValueError as error:
        raise ToolError(device.tool, f"what was kept of it cannot be read ({error})") from error


def _run(
    path: Path,
    device: Device,
    request: ScoringRequest,
    dataset: SegmentationDataset,
    progress: Progress,
) -> dict[str, Any]:
    """Return the scores of both sides' difference as JSON values."""
    class_map = request.read_class_map()
    with request.open_file(path) as own:
        assert isinstance(own, ArtifactRuntime), "an exported file was opened"
        with ToolRuntime(own, device) as runtime:
            sides = [Contestant(side, dataset, class_map) for side in (own, runtime)]
            tallies = [Tally(dataset) for _ in sides]
            agreements = []
            progress.begin(f"{path.name} on {device.argument}", len(dataset), "images")
            for index in range(len(dataset)):
                sample = dataset[index]
                found = [side.predict(sample.image_hwc) for side in sides]
                for tally, (ids, latency_ms) in zip(tallies, found, strict=True):
                    tally.add(sample, ids, latency_ms)
                agreements.append(pixel_agreement(found[0][0], found[1][0]))
                progress.advance()
            before, after = (t.evaluation(s) for t, s in zip(tallies, sides, strict=True))
    low, high = bootstrap_interval(before.confusions, after.confusions)
    return {
        "agreement": float(np.mean(agreements)),
        "delta_miou": finite_or_none(after.miou - before.miou),
        "low": finite_or_none(low),
        "high": finite_or_none(high),
        "images": len(dataset),
        "seconds_an_image": after.latency_ms / 1000,
    }


def _read(answer: Fields) -> Execution:
    delta, low, high = (
        answer.number(name) if answer.has(name) else nan for name in ("delta_miou", "low", "high")
    )
    return Execution(
        answer.number("agreement"),
        delta,
        (low, high),
        answer.integer("images", 1, _MOST_IMAGES),
        answer.number("seconds_an_image"),
    )


def _digest(dataset: SegmentationDataset) -> str:
    """Return a hash of all that is scored."""
    digest = hashlib.sha256(repr((dataset.classes, dataset.ignore_index)).encode())
    for index in range(len(dataset)):
        sample = dataset[index]
        for array in (sample.image_hwc, sample.mask_ids):
            digest.update(repr(array.shape).encode() + array.tobytes())
    return digest.hexdigest()
