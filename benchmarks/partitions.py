"""Predicted against observed, file by file: XNNPACK's partitions of TFLite files, ONNX Runtime's integer operators.

    python benchmarks/partitions.py --export FOLDER FILE...

`--export` first writes every model with random weights, 64x64, in every precision, as TFLite and ONNX, unless that is
there.
Ends with code 1 when a file differs.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import edge_deeplab as ed
from edge_deeplab.checker.report import ArtifactReport
from edge_deeplab.errors import ArtifactError, EdgeDeepLabError

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint

SIZE_HW = (64, 64)
FORMS = (("fp32", "classes"), ("fp32", "logits"), ("fp16", "classes"), ("int8", "classes"))
"""Precision and head of each export."""


def export_all(folder: Path) -> None:
    """Write every model in every form, as TFLite and ONNX; what stands there already is kept."""
    from edge_deeplab.models.family import FAMILY

    for model in FAMILY:
        missing = [form for form in FORMS if not (folder / model / "-".join(form)).exists()]
        for precision, head in missing:
            try:
                export_one(model, precision, head, folder / model / f"{precision}-{head}")
            except EdgeDeepLabError as error:
                sys.stdout.write(f"{model} {precision} {head}: not exported: {error}\n")


def export_one(model: str, precision: str, head: str, folder: Path) -> None:
    """Write one model with random weights."""
    checkpoint = random_checkpoint(model, folder)
    if precision == "int8":
        checkpoint = quantized(checkpoint)
    ed.export(
        checkpoint,
        ["tflite", "onnx"],
        precision=precision,
        size_hw=SIZE_HW,
        head=head,
        output=folder,
    )


def random_checkpoint(model: str, folder: Path) -> "Checkpoint":
    """Return a checkpoint of seeded random weights."""
    import torch

    from edge_deeplab.data.rendered_set import RenderedDataset
    from edge_deeplab.description import Normalisation
    from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
    from edge_deeplab.models.deeplab import build_model

    torch.manual_seed(0)
    classes = RenderedDataset().classes
    network = build_model(model, len(classes))
    normalisation = Normalisation((127.0,) * 3, (128.0,) * 3)
    info = CheckpointInfo(network.spec, classes, 255, normalisation, SIZE_HW, "CC0")
    return Checkpoint(info, network.state_dict(), folder / f"{model}.safetensors", "0" * 64)


def quantized(checkpoint: "Checkpoint") -> "Checkpoint":
    """Return a checkpoint with quantizers calibrated on four rendered images."""
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.data.rendered_set import RenderedDataset
    from edge_deeplab.quantization.qat import quantize

    recipe = QatRecipe.model_validate(
        {"quantization": {"calibration_images": 4, "estimator": "min-max"}}
    )
    return quantize(checkpoint, recipe, RenderedDataset())


def describe(report: ArtifactReport) -> tuple[str, str]:
    """Return what was predicted of a file and what was observed, in the same words."""
    document = report.to_json()
    if "xnnpack" in document:
        seen = document["xnnpack"]
        return tuple(  # type: ignore[return-value]
            f"{part['delegated']}/{seen['total']} in {part['partitions']}"
            for part in (seen["predicted"], seen)
        )
    fusion = document["onnxruntime"]
    return tuple(  # type: ignore[return-value]
        ", ".join(f"{kind} {count}" for kind, count in (fusion[part] or {}).items())
        for part in ("predicted", "observed")
    )


def files_within(paths: list[Path]) -> Iterator[Path]:
    """Yield files, and those of folders."""
    for path in paths:
        found = sorted(p for p in path.rglob("*") if p.suffix in (".tflite", ".onnx"))
        yield from found if path.is_dir() else [path]


def main() -> None:
    """Print one line a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--export", type=Path)
    arguments = parser.parse_args()
    if arguments.export:
        export_all(arguments.export)
    paths = [*arguments.files, *([arguments.export] if arguments.export else [])]
    differing = count = 0
    for path in files_within(paths):
        (report,) = ed.check(path)
        if not isinstance(report, ArtifactReport):
            raise ArtifactError(report.error)
        predicted, observed = describe(report)
        agrees = not report.warnings
        count, differing = count + 1, differing + (not agrees)
        name = "/".join(path.parts[-3:])
        sys.stdout.write(
            f"{'equal  ' if agrees else 'DIFFERS'} {name:90} {predicted:40} {observed}\n"
        )
        for warning in report.warnings:
            sys.stdout.write(f"        {warning}\n")
    sys.stdout.write(f"{count - differing} of {count} equal\n")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
