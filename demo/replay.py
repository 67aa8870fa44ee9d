"""Photographs replayed through a file: their class maps as grey PNGs, and the account of who made them and how fast.

A phone's or a browser's demo writes the same folder (`formats/replay.py`), so `edge-deeplab parity` scores them alike.
"""

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from edge_deeplab.data.images import read_image, write_grey
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.errors import DataError
from edge_deeplab.files import check_replaceable, file_sha256, replace_when_complete
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.formats.replay import (
    ENDING,
    REPLAY,
    AcceleratorUse,
    Replay,
    ReplayedImage,
    StageTimes,
    is_own,
    write_replay,
)
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime


def replay_photographs(
    runtime: Runtime,
    photographs: Sequence[Path],
    output: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> Replay:
    """Write a class map for each photograph, and `replay.json`; the folder appears when it is complete.

    Args:
        runtime: a loaded file.
        photographs: image files; each is resized to the file's size as `evaluate` does it.
        output: a folder that is new, empty or an earlier replay.
        max_pixels: a larger photograph is refused.
        progress: told of each photograph.

    Returns:
        What stands in `replay.json`.

    Raises:
        DataError: when one cannot be read, or two have one name.
        OutputError: when the folder cannot be written, or holds something else.
    """
    name_class_maps(photographs)
    check_replaceable(output, REPLAY, is_own)
    model_sha256 = content_sha256(runtime.path)
    progress.begin(f"replaying {len(photographs)} photographs", len(photographs), "pictures")
    runtime.predict(np.zeros((1, *runtime.size_hw, 3), np.uint8))  # first inferences allocate
    images = []
    with replace_when_complete(output) as folder:
        folder.mkdir()
        for photograph in photographs:
            images.append(_replay_one(runtime, photograph, folder, max_pixels))
            progress.advance()
        replay = _account(runtime, model_sha256, tuple(images))
        write_replay(folder, replay)
    return replay


def median_ms(replay: Replay) -> float:
    """Return the median time of the model on a photograph."""
    return median(image.ms.infer for image in replay.images)


def _replay_one(runtime: Runtime, photograph: Path, folder: Path, max_pixels: int) -> ReplayedImage:
    image = read_image(photograph, max_pixels=max_pixels)
    start = time.perf_counter()
    pixels = np.array(resize_image(image, runtime.size_hw))[None]  # writable
    prepared = time.perf_counter()
    mask_ids = runtime.predict(pixels)[0]
    inferred = time.perf_counter()
    path = folder / f"{photograph.stem}{ENDING}"
    write_grey(path, mask_ids)
    times = StageTimes(infer=(inferred - prepared) * 1000, prepare=(prepared - start) * 1000)
    return ReplayedImage(path.name, file_sha256(path), times)


def _account(runtime: Runtime, model_sha256: str, images: tuple[ReplayedImage, ...]) -> Replay:
    name, _, version = runtime.name.partition(" ")
    # Core ML is asked for every unit and does not tell which it took; all else here runs on the CPU
    use = ("all", "not told") if name.startswith("coreml") else ("cpu", "cpu")
    known = runtime.description
    return Replay(
        device=platform.machine() or "unknown",
        os=f"{platform.system()} {platform.release()}".strip() or "unknown",
        runtime=name.rstrip(","),
        version=version,
        accelerator=AcceleratorUse(*use),
        model_sha256=model_sha256,
        size_hw=runtime.size_hw,
        images=images,
        classes=None if known is None else tuple(each.name for each in known.classes),
    )


def name_class_maps(photographs: Sequence[Path]) -> dict[str, Path]:
    """Return photographs by the names of their class maps.

    Raises:
        DataError: when two would have one.
    """
    named: dict[str, Path] = {}
    for path in photographs:
        name = f"{path.stem}{ENDING}"
        if name in named:
            raise DataError(
                f"photographs {named[name]} and {path} would have one class map, {name}; different names were "
                "expected; rename one of them"
            )
        named[name] = path
    return named
