"""From a checkpoint to files that are proven: load, export, check, parity, and a picture of what the files see.

    python examples/export_and_prove.py --data camvid --output proof

Without --data scores are taken on the labelled set that the package renders itself, and no photograph is shown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from PIL import Image

import edge_deeplab as ed


def main(arguments: Sequence[str] | None = None) -> None:
    """Export the shipped checkpoint to TFLite and ONNX and show what was proven of the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with dataset.toml, PASCAL VOC or Cityscapes"
    )
    parser.add_argument("--size", type=int, nargs=2, default=(368, 480), metavar=("H", "W"))
    parser.add_argument("--limit", type=int, default=20, help="images that are scored")
    parser.add_argument("--output", type=Path, default=Path("proof"))
    asked = parser.parse_args(arguments)

    model = ed.load("camvid-efficientnet-lite0")
    files = ed.export(model, ["tflite", "onnx"], size_hw=tuple(asked.size), output=asked.output)

    for report in ed.check(files):
        for profile in report.profiles:
            counts = ", ".join(f"{number} {verdict}" for verdict, number in profile.count().items())
            print(f"{report.path.name} on {profile.profile}: {counts}")

    proof = ed.parity(files, data=asked.data, limit=asked.limit)
    for entry in proof.artifacts:
        low, high = entry.delta_interval
        print(
            f"{entry.path.name}: {entry.miou:.2f} mIoU, {entry.delta_miou:+.3f} ({low:+.3f} to {high:+.3f}), "
            f"{entry.pixel_agreement:.4f} of the pixels agree: {entry.verdict}"
        )

    draw_classes(proof, asked.output / "classes.png")
    if asked.data is not None:
        photograph = min((asked.data / "test" / "images").iterdir())
        draw_map(files[0].path, photograph, asked.output / "class-map.png")


def draw_classes(proof, path: Path) -> None:
    """Draw the IoU of every class, the reference beside each file."""
    scores = {"reference": proof.artifacts[0].reference.per_class}
    scores |= {entry.path.name: entry.evaluation.per_class for entry in proof.artifacts}
    names = list(scores["reference"])
    places, width = np.arange(len(names)), 0.8 / len(scores)
    figure, axes = pyplot.subplots(figsize=(10, 4), layout="constrained")
    for number, (label, per_class) in enumerate(scores.items()):
        heights = [per_class[name] for name in names]
        axes.bar(places + number * width, heights, width, label=label)
    axes.set_xticks(places + 0.4 - width / 2, names, rotation=45, ha="right")
    axes.set_ylabel("IoU, points")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(scores), frameon=False)
    figure.savefig(path)
    pyplot.close(figure)


def draw_map(artifact: Path, photograph: Path, path: Path) -> None:
    """Draw what a file sees in a photograph, in the colours that it carries."""
    runtime = ed.open_artifact(artifact)
    height, width = runtime.size_hw
    picture = (
        Image.open(photograph).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    )
    ids = runtime.predict(np.asarray(picture)[None])[0]  # (H, W) class ids
    colours = np.array([each.color for each in runtime.description.classes], np.uint8)
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    for panel, shown, title in zip(
        panels, (picture, colours[ids]), (photograph.name, artifact.name), strict=True
    ):
        panel.imshow(shown)
        panel.set_title(title, parse_math=False)
        panel.set_axis_off()
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
