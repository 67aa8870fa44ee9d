"""Golden frames: photographs at a model's size and what it makes of them, so that an app can be held to every step."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.images import write_grey
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.errors import DataError
from edge_deeplab.files import file_sha256, write_atomically
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.progress import Progress
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.base import Runtime

GOLDEN = "golden"
FORMAT = "edge-deeplab-golden/1"
FRAMES = 8


def golden_images(
    data: Path | None, split: str, max_pixels: int = MAX_PIXELS
) -> SegmentationDataset:
    """Return the images that golden frames are taken from: a split of labelled data, without any the rendered set.

    Raises:
        DataError: when there is no such data or split.
    """
    folder = None if data is None else DataFolder(data, max_pixels)
    return resolve_dataset(folder, split)


def spread(count: int) -> list[int]:
    """Return the indices of the frames, spread evenly over so many images: `FRAMES`, or all where they are fewer.

    Raises:
        DataError: when there are none.
    """
    if not count:
        raise DataError("no photographs came for golden frames; at least one was expected")
    frames = min(FRAMES, count)
    return [frame * count // frames for frame in range(frames)]


def write_golden(
    runtime: Runtime,
    dataset: SegmentationDataset,
    indices: Sequence[int],
    place: Path,
    progress: Progress,
) -> None:
    """Write a folder of inputs and class maps as PNGs, and `golden.json` with the hashes of files and of raw bytes.

    Args:
        runtime: the loaded file.
        dataset: the photographs.
        indices: those that are taken.
        place: the folder, which is made.
        progress: told of each frame.

    Raises:
        DataError: when a photograph cannot be read.
    """
    assert isinstance(runtime, ArtifactRuntime), "its contract was read"
    for name in ("inputs", "classes"):
        (place / name).mkdir(parents=True)
    progress.begin("writing golden frames", len(indices), "frames")
    frames = []
    for index in indices:
        frames.append(_write_frame(runtime, dataset[index], place))
        progress.advance()
    document = {
        "format": FORMAT,
        "model_sha256": content_sha256(runtime.path),
        "runtime": runtime.name,
        "size_hw": list(runtime.size_hw),
        "data": dataset.name,
        "licence": dataset.licence,
        "frames": frames,
    }
    write_atomically(place / "golden.json", json.dumps(document, indent=1) + "\n")


def _write_frame(runtime: ArtifactRuntime, sample: Sample, place: Path) -> dict[str, Any]:
    pixels = runtime.resized(sample.image_hwc)
    output = runtime.execute(pixels)
    mask_ids = runtime.read_ids(output)
    seen, given = (place / kind / f"{sample.name}.png" for kind in ("inputs", "classes"))
    Image.fromarray(pixels).save(seen, "PNG")
    write_grey(given, mask_ids)
    return {
        "name": sample.name,
        "input": {
            "file": seen.relative_to(place).as_posix(),
            "sha256": file_sha256(seen),
            "pixels_sha256": _sha256(pixels),
            "tensor_sha256": _sha256(runtime.encode(pixels)),
        },
        "class_map": {
            "file": given.relative_to(place).as_posix(),
            "sha256": file_sha256(given),
            "ids_sha256": _sha256(mask_ids),
        },
        "output_sha256": _sha256(output),
    }


def _sha256(array: npt.NDArray[Any]) -> str:
    """Return the hash of an array's bytes: rows from the top, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
