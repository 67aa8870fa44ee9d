"""What the demo's drawing costs beside Pillow's blend of two pictures, which colours nothing and traces nothing.

    python benchmarks/overlay.py --size 480x640

One core, processor time, the two in turns; the first round warms both up.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from edge_deeplab.demo.overlay import Overlay
from edge_deeplab.demo.panel import Panel
from edge_deeplab.description import ClassInfo

BLOCK = 16
COLOURS = ((128, 64, 128), (0, 192, 0), (64, 0, 192))


def main() -> None:
    """Print the medians in milliseconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="480x640", help="HxW of the picture")
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    height, width = (int(part) for part in arguments.size.split("x"))
    generator = np.random.default_rng(0)
    image, other = generator.integers(0, 256, (2, height, width, 3), np.uint8)
    coarse = generator.integers(0, len(COLOURS), (-(-height // BLOCK), -(-width // BLOCK)))
    ids = np.kron(coarse, np.ones((BLOCK, BLOCK)))[:height, :width].astype(np.uint8)
    classes = [ClassInfo(str(number), colour) for number, colour in enumerate(COLOURS)]
    overlay, panel = Overlay(classes), Panel(classes, f"onnx fp32, {arguments.size}")
    pictures = Image.fromarray(image), Image.fromarray(other)
    ways: dict[str, Callable[[], object]] = {
        "a blend": lambda: Image.blend(*pictures, 0.5),
        "overlay": lambda: overlay.draw(image, ids),
        "overlay and panel": lambda: panel.beside(
            overlay.draw(image, ids), ids, fps=30, inference_ms=10
        ),
    }
    rounds = [
        {name: milliseconds(way) for name, way in ways.items()} for _ in range(arguments.rounds + 1)
    ][1:]
    for name in ways:
        median = statistics.median(taken[name] for taken in rounds)
        ratio = statistics.median(taken[name] / taken["a blend"] for taken in rounds)
        sys.stdout.write(f"{name:18} {median:6.2f} ms   {ratio:5.1f} blends\n")


def milliseconds(way: Callable[[], object]) -> float:
    """Return the processor time that a call takes in this thread."""
    started = time.thread_time()
    way()
    return (time.thread_time() - started) * 1e3


if __name__ == "__main__":
    main()
