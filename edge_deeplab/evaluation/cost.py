"""What models cost before anything is run: parameters and multiply-adds, counted on shapes alone."""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edge_deeplab.models import deeplab, family, shipped
from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint
from edge_deeplab.models.origins import Origin, origins_of
from edge_deeplab.models.spec import ModelSpec
from edge_deeplab.progress import SILENT, Progress

SIZE_HW = (512, 512)
NUM_CLASSES = 21
"""PASCAL VOC's, as in the papers' tables; every model is counted at this size, and at its own output stride."""


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass over one image.

    Args:
        parameters: number of trainable values.
        multiply_adds: multiply-adds of convolutions and matrix products, the papers' unit (one is two FLOPs).
    """

    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class ModelRow:
    """A network that can be built.

    Args:
        spec: what it consists of; its name is what recipes and `build_model` take.
        source: paper and section.
        cost: at `SIZE_HW` and `NUM_CLASSES`.
    """

    spec: ModelSpec
    source: str
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `models --json`."""
        return {
            "name": self.spec.name,
            "backbone": self.spec.backbone,
            "separable": self.spec.is_separable,
            "output_stride": self.spec.output_stride,
            "source": self.source,
            **asdict(self.cost),
        }


@dataclass(frozen=True)
class CheckpointRow:
    """A shipped checkpoint.

    Args:
        name: as a CHECKPOINT argument takes it.
        path: its file.
        info: what it says of itself, measured results among that.
        cost: at `SIZE_HW`.
    """

    name: str
    path: Path
    info: CheckpointInfo
    cost: Cost

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Whose weights it goes back to."""
        return origins_of(self.info.provenance)

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `models --json`."""
        return {
            "name": self.name,
            "path": str(self.path),
            "bytes": self.path.stat().st_size,
            "model": self.info.model,
            "classes": [c.name for c in self.info.classes],
            "size_hw": list(self.info.size_hw),
            "licence": self.info.licence,
            "weights_of": [origin.to_json() for origin in self.origins],
            "results": dict(self.info.results),
            **asdict(self.cost),
        }


@dataclass(frozen=True)
class ModelList:
    """Networks that can be built, and checkpoints that are shipped."""

    models: tuple[ModelRow, ...]
    checkpoints: tuple[CheckpointRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `models --json`."""
        return {
            "size_hw": list(SIZE_HW),
            "num_classes": NUM_CLASSES,
            "models": [row.to_json() for row in self.models],
            "checkpoints": [row.to_json() for row in self.checkpoints],
        }


def list_models(progress: Progress = SILENT) -> ModelList:
    """Return every model and every shipped checkpoint with its cost.

    Args:
        progress: told of each.
    """
    shipped_paths = shipped.shipped_checkpoints()
    progress.begin("counting models", len(family.FAMILY) + len(shipped_paths), "models")
    models, checkpoints = [], []
    for member in family.FAMILY.values():
        cost = count_cost(member.spec, NUM_CLASSES, SIZE_HW)
        models.append(ModelRow(member.spec, member.source, cost))
        progress.advance()
    for name, path in shipped_paths.items():
        checkpoint = load_checkpoint(path)
        cost = count_network(checkpoint.build(), SIZE_HW)
        checkpoints.append(CheckpointRow(name, path, checkpoint.info, cost))
        progress.advance()
    return ModelList(tuple(models), tuple(checkpoints))


def count_cost(
    model: str | ModelSpec, num_classes: int, size_hw: tuple[int, int], **options: Any
) -> Cost:
    """Count a network by its spec or name, without memory for its weights or time for its arithmetic (meta tensors).

    Args:
        model: as `build_model` takes it.
        num_classes: channels of its output.
        size_hw: height and width of the image in pixels.
        **options: as for `build_model`.

    Raises:
        ConfigError: for an unknown name or option.
    """
    with torch.device("meta"):
        network = deeplab.build_model(model, num_classes, **options).eval()
        image = torch.empty(1, 3, *size_hw)
    return _count(network, image)


def count_network(network: nn.Module, size_hw: tuple[int, int]) -> Cost:
    """Count a network that stands, a pruned one for example; on a copy of its shapes.

    Args:
        network: of (1, 3, H, W) images, in evaluation mode.
        size_hw: height and width of the image in pixels.
    """
    shapes = copy.deepcopy(network).to("meta")
    return _count(shapes, torch.empty(1, 3, *size_hw, device="meta"))


def _count(network: nn.Module, image: torch.Tensor) -> Cost:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return Cost(sum(p.numel() for p in network.parameters()), int(counter.get_total_flops()) // 2)
