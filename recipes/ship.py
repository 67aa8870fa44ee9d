"""From a finished run to the file that ships in the package: half precision, measured scores in its metadata.

    python recipes/ship.py runs/camvid --data camvid --name camvid-efficientnet-lite0

Of several runs, each of which started from the one before, the mean of their weights ships; what is told of the
training is the last one's. The rounded weights are what is measured, because they are what every export and parity run
starts from.
"""

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import edge_deeplab.weights
from edge_deeplab.data.dataset import SegmentationDataset, open_dataset
from edge_deeplab.data.rendered_set import RenderedDataset
from edge_deeplab.evaluation.evaluate import evaluate_runtime
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.runtimes.torch import TorchRuntime

WEIGHTS = Path(edge_deeplab.weights.__file__).parent
RECIPES = Path(__file__).resolve().parent


def measure(checkpoint_path: Path, dataset: SegmentationDataset) -> dict[str, Any]:
    """Return the scores of a checkpoint on a data set, rounded for the metadata."""
    evaluation = evaluate_runtime(TorchRuntime(load_checkpoint(checkpoint_path)), dataset)
    return {
        "miou": round(evaluation.miou, 2),
        "per_class": {name: round(iou, 1) for name, iou in evaluation.per_class.items()},
        "pixel_accuracy": round(evaluation.pixel_accuracy, 4),
        "images": evaluation.images,
        "size_hw": list(evaluation.size_hw),
    }


def mean_of(runs: Sequence[Path]) -> Checkpoint:
    """Return the last run's best checkpoint, with the mean of the weights and statistics of all of them."""
    several = [load_checkpoint(run / "best.safetensors") for run in runs]
    if len(several) == 1:
        return several[0]
    weights = [checkpoint.build().state_dict() for checkpoint in several]
    mean = {
        name: torch.stack([each[name].double() for each in weights]).mean(0).to(tensor.dtype)
        for name, tensor in weights[-1].items()
    }
    provenance = {**several[-1].info.provenance, "mean_of": [each.sha256 for each in several]}
    info = dataclasses.replace(several[-1].info, provenance=provenance)
    model = several[-1].build()
    model.load_state_dict(mean)
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "mean.safetensors", model, info)
        return load_checkpoint(Path(folder) / "mean.safetensors")


def write(path: Path, trained: Checkpoint, info: CheckpointInfo) -> None:
    """Write a checkpoint in half precision; scales of quantizers stay as they are."""
    save_checkpoint(path, trained.build(), info, quantization=trained.quantization, half=True)


def main() -> None:
    """Round, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True)
    arguments = parser.parse_args()
    trained = mean_of(arguments.runs)
    with tempfile.TemporaryDirectory() as folder:
        rounded = Path(folder) / "rounded.safetensors"
        write(rounded, trained, trained.info)
        results = {
            d.name: measure(rounded, d)
            for d in (open_dataset(arguments.data, "test"), RenderedDataset())
        }
    info = dataclasses.replace(trained.info, results=results)
    write(WEIGHTS / f"{arguments.name}.safetensors", trained, info)
    if (log := arguments.runs[-1] / "log.csv").exists():
        shutil.copyfile(log, RECIPES / f"{arguments.name}.log.csv")
    for name, scores in results.items():
        sys.stdout.write(f"{name}: {scores['miou']} mIoU on {scores['images']} images\n")


if __name__ == "__main__":
    main()
