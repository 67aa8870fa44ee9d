"""Photographs replayed through a file: their class maps as grey PNGs, and the account of who made them and how fast.

A phone's or a browser's demo writes the same folder (`formats/replay.py`), so `edge-deeplab parity` scores them alike.
"""

import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_deeplab.data.dataset import is_data_folder, open_dataset
from edge_deeplab.data.images import images_in, read_image, write_grey
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.errors import DataError
from edge_deeplab.files import check_replaceable, check_writable, file_sha256, replace_when_complete
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
    accelerator: AcceleratorUse | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = SILENT,
) -> Replay:
    """Write a class map for each photograph, and `replay.json`; the folder appears when it is complete.

    Args:
        runtime: a loaded file.
        photographs: image files; each is resized to the file's size as `evaluate` does it.
        output: a folder that is new, empty or an earlier replay.
        accelerator: what runs the file; None for the runtime's own.
        max_pixels: a larger photograph is refused.
        progress: told of each photograph.

    Returns:
        What stands in `replay.json`.

    Raises:
        DataError: when one cannot be read, or two have one name.
        OutputError: when the folder cannot be written, or holds something else.
    """
    name_class_maps(photographs)
    check_output(output)
    model_sha256 = content_sha256(runtime.path)
    progress.begin(f"replaying {len(photographs)} photographs", len(photographs), "pictures")
    runtime.predict(np.zeros((1, *runtime.size_hw, 3), np.uint8))  # first inferences allocate
    images = []
    with replace_when_complete(output) as folder:
        folder.mkdir()
        for photograph in photographs:
            images.append(_replay_one(runtime, photograph, folder, max_pixels))
            progress.advance()
        use = accelerator or _own_accelerator(runtime)
        replay = _account(runtime, model_sha256, use, tuple(images))
        write_replay(folder, replay)
    return replay


def find_photographs(folder: Path, split: str) -> list[Path]:
    """Return the photographs of a folder by name, or those of labelled data in its own order.

    Args:
        folder: which holds photographs, or a data set in any layout.
        split: of the data set.

    Raises:
        DataError: when it holds neither, or no such split.
    """
    if is_data_folder(folder):
        return list(open_dataset(folder, split).photographs)
    return images_in(folder)


def check_output(folder: Path) -> None:
    """Check, before any work, that a replay can be written to a folder and nothing else is lost.

    Raises:
        OutputError: when it cannot, or something else lies there.
    """
    check_writable(folder, "folder")
    check_replaceable(folder, REPLAY, is_own)


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


def _own_accelerator(runtime: Runtime) -> AcceleratorUse:
    """Return what runs a file here: the CPU, but Core ML is asked for all units and does not tell which it took."""
    if runtime.name.startswith("coreml"):
        return AcceleratorUse("all", "not told")
    return AcceleratorUse("cpu", "cpu")


def _account(
    runtime: Runtime, model_sha256: str, use: AcceleratorUse, images: tuple[ReplayedImage, ...]
) -> Replay:
    name, _, version = runtime.name.partition(" ")
    known = runtime.description
    return Replay(
        device=platform.machine() or "unknown",
        os=f"{platform.system()} {platform.release()}".strip() or "unknown",
        runtime=name.rstrip(","),
        version=version,
        accelerator=use,
        model_sha256=model_sha256,
        size_hw=runtime.size_hw,
        images=images,
        classes=None if known is None else tuple(each.name for each in known.classes),
    )


def name_class_maps(photographs: Sequence[Path]) -> dict[str, Path]:
    """Return photographs by the names of their class maps.

    Raises:
        DataError: when two would have one, or a name is none that a replay's document may hold.
    """
    named: dict[str, Path] = {}
    for path in photographs:
        name = f"{path.stem}{ENDING}"
        if not name.isprintable():
            raise DataError(
                f"photograph {path} has control characters in its name; one line of text was expected; rename it"
            )
        if name in named:
            raise DataError(
                f"photographs {named[name]} and {path} would have one class map, {name}; different names were "
                "expected; rename one of them"
            )
        named[name] = path
    return named
