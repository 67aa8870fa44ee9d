"""What each form of atrous convolutions costs and changes: TFLite and ONNX files of a checkpoint, one thread.

    python benchmarks/atrous.py --data camvid --images 24 --rounds 30
    python benchmarks/atrous.py --precision fp32 --exports kept

Every form's class maps are held against the native form's, pixel by pixel, and timed against it, round by round.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import edge_deeplab as ed
from edge_deeplab.converters.devices.atrous_forms import DEINTERLACE, NATIVE, ZERO_INSERT
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.rendered_set import RenderedDataset
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.runtimes.base import ImagesNHWC, Runtime
from edge_deeplab.targets import TARGETS

FORMS = (NATIVE, DEINTERLACE, ZERO_INSERT)


def read_images(data: Path | None, count: int, size_hw: tuple[int, int]) -> list[ImagesNHWC]:
    """Return (1, H, W, 3) images spread over a test split, or rendered ones."""
    source = RenderedDataset(count=count) if data is None else open_dataset(data, "test")
    step = max(1, len(source) // count)
    chosen = range(0, len(source), step)[:count]
    return [resize_image(source[index].image_hwc, size_hw)[None] for index in chosen]


def exported(form: str, target: str, precision: str, folder: Path) -> Path:
    """Return the file of a form; one that lies in the folder is taken as it is."""
    for path in (folder / form).glob(f"*-{precision}{TARGETS[target].ending}"):
        return path
    (artifact,) = ed.export(None, target, precision=precision, atrous=form, output=folder / form)
    return artifact.path


def compare(runtimes: Sequence[Runtime], images: Sequence[ImagesNHWC]) -> list[int]:
    """Return how many pixels each file gives another class than the first."""
    first, *others = (np.concatenate([r.predict(image) for image in images]) for r in runtimes)
    return [0, *(int((first != other).sum()) for other in others)]


def main() -> None:
    """Export what is missing, compare, time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with a test split; default: rendered")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    parser.add_argument("--exports", type=Path, help="folder that keeps the files")
    parser.add_argument("--target", choices=("tflite", "onnx"), action="append")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.exports or Path(temporary)
        for target in arguments.target or ("tflite", "onnx"):
            paths = [exported(f, target, arguments.precision, folder) for f in FORMS]
            runtimes = [ed.open_artifact(path, threads=1) for path in paths]
            images = read_images(arguments.data, arguments.images, runtimes[0].size_hw)
            changed = compare(runtimes, images)
            measured = measure_latency(runtimes, rounds=arguments.rounds, threads=1)
            pixels = len(images) * images[0][0, ..., 0].size
            for form, count, latency in zip(FORMS, changed, measured, strict=True):
                sys.stdout.write(
                    f"{target:6} {arguments.precision} {form:11} {latency.median_ms:8.1f} ms "
                    f"{latency.ratio_to_first:6.2f} of native, {count} of {pixels} pixels changed\n"
                )


if __name__ == "__main__":
    main()
