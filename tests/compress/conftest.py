"""A chain on a tiny model: trainings are real, files and runtimes are stand-ins that cost nothing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_deeplab.compress import measures, summary
from edge_deeplab.compress.report import TrainingTime
from edge_deeplab.config import CompressRecipe
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.evaluation.latency import Latency
from edge_deeplab.formats.manifest import write_manifest
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.torch import TorchRuntime

DATA = {"size_hw": (32, 48), "crop_hw": (32, 32), "validation_split": ""}
OPTIMISER = {"epochs": 2, "batch_size": 2, "precision": "fp32"}
ENDINGS = {"onnx": ".onnx", "tflite": ".tflite", "coreml": ".mlpackage"}


@pytest.fixture
def data(make_dataset: Callable[..., Path]) -> Path:
    make_dataset("test", count=2)
    return make_dataset("train", count=4)


def save_tiny_checkpoint(
    path: Path,
    name: str = "deeplabv3plus_mobilenetv2_100",
    size_hw: tuple[int, int] = (32, 48),
) -> Checkpoint:
    """Write a checkpoint of seeded random weights with the tiny data set's classes."""
    torch.manual_seed(0)
    classes = (ClassInfo("left", (255, 0, 0)), ClassInfo("right", (0, 255, 0)))
    normalisation = Normalisation((127.0,) * 3, (128.0,) * 3)
    info = CheckpointInfo(find_spec(name), classes, 9, normalisation, size_hw)
    save_checkpoint(path, build_model(name, len(classes)), info)
    return load_checkpoint(path)


@pytest.fixture
def checkpoint(shallow: str, tmp_path: Path) -> Checkpoint:
    return save_tiny_checkpoint(tmp_path / "tiny.safetensors", shallow)


@pytest.fixture
def recipe() -> CompressRecipe:
    """All sections."""
    return CompressRecipe.model_validate(
        {
            "prune": {
                "data": DATA,
                "optimiser": OPTIMISER,
                "pruning": {"macs": 0.6, "importance": "magnitude"},
            },
            "qat": {
                "data": DATA,
                "optimiser": OPTIMISER,
                "quantization": {"calibration_images": 2},
            },
            "export": {"targets": ["onnx", "tflite"]},
            "parity": {"max_drop": 100},
            "bench": {"rounds": 2},
        }
    )


@dataclass
class Stopper:
    """Watches a chain and stops it once at every place: before a step, in a training, before a step's note.

    Args:
        places: what is still to stop at.
        said: the lines that were told.
        steps: training steps that were seen.
        stage: the one under way.
    """

    places: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    steps: int = 0
    stage: str = ""

    def stop_at(self, place: str) -> None:
        """Stop the chain if it has never been stopped here."""
        if place in self.places:
            self.places.remove(place)
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        if text.startswith("epoch "):
            return
        self.said.append(text)
        self.stop_at(text)

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        self.stage = what

    def advance(self, count: int = 1) -> None:
        if self.stage.startswith("epoch "):
            self.steps += 1
            step = next(line for line in reversed(self.said) if line.endswith(("running", "on")))
            self.stop_at(f"{step.partition(':')[0]} {self.stage.partition('/')[0]}")


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint) -> None:
    """Files that hold a hash, runtimes that answer as the float checkpoint, and a clock that stands still."""

    def export_checkpoint(source: Checkpoint, request: ExportRequest) -> list[Any]:
        stem = f"{source.name.removesuffix('-int8')}-{request.precision}"
        paths = [request.output / f"{stem}{ENDINGS[target]}" for target in request.targets]
        for path in paths:
            path.write_text(hashlib.sha256((source.sha256 + path.name).encode()).hexdigest())
        write_manifest(request.output, [{"file": path.name} for path in paths])
        return [type("Artifact", (), {"path": path}) for path in paths]

    def check_artifact(path: Path, profiles: Sequence[str], observers: object) -> Any:
        verdicts = [{"verdict": "ok"}, {"verdict": "slow"}]
        report = {"path": str(path), "profiles": [{"profile": "cpu", "verdicts": verdicts}]}
        return type("Report", (), {"to_json": lambda self: report})()

    def open_artifact(
        path: Path, *, threads: int | None = None, size_hw: tuple[int, int] | None = None
    ) -> Runtime:
        return TorchRuntime(checkpoint)

    def measure_latency(runtimes: Sequence[Runtime], **_: Any) -> list[Latency]:
        times = (4.0, 2.0, 1.0)
        return [
            Latency(runtime.path, "stand-in", 1, 10, (ms,), ms / 4)
            for runtime, ms in zip(runtimes, times, strict=False)
        ]

    for stand_in in (export_checkpoint, check_artifact, open_artifact, measure_latency):
        monkeypatch.setattr(measures, stand_in.__name__, stand_in)
    training = TrainingTime(epochs=2, minutes=0.1)
    monkeypatch.setattr(summary, "_training_time", lambda folder: training)
