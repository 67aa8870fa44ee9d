"""What models cost before anything is run: parameters and multiply-adds, counted on shapes alone."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from edge_deeplab.errors import ConfigError, checking
from edge_deeplab.models import deeplab, family, shipped
from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint
from edge_deeplab.models.origins import Origin, origins_of
from edge_deeplab.models.spec import ModelSpec, check_output_stride
from edge_deeplab.progress import SILENT, Progress

SIZE_HW = (512, 512)
SIDES = (32, 16384)
"""Pixels of a side that every network can be counted at, the least and the most."""
NUM_CLASSES = 21
"""PASCAL VOC's, as in the papers' tables; where nothing else is said, models are counted at this size."""


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass over one image.

    Args:
        parameters: number of trainable values.
        multiply_adds: multiply-adds of convolutions and matrix products, the papers' unit (one is two FLOPs).
        multiply_adds_padded: the same as the papers' own tool counted them: TensorFlow computed a dense atrous
            convolution on features padded to a multiple of its rate.
    """

    parameters: int
    multiply_adds: int
    multiply_adds_padded: int


@dataclass(frozen=True)
class ModelRow:
    """A network that can be built.

    Args:
        spec: what it consists of; its name is what recipes and `build_model` take.
        source: paper and section.
        cost: at the list's size and with its number of classes.
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
        cost: at the list's size.
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
    """Networks that can be built, and checkpoints that are shipped.

    Args:
        models: each with its cost.
        checkpoints: each with its cost.
        size_hw: pixels of the image that all are counted at.
        output_stride: of all; None: each its own.
    """

    models: tuple[ModelRow, ...]
    checkpoints: tuple[CheckpointRow, ...]
    size_hw: tuple[int, int] = SIZE_HW
    output_stride: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document of `models --json`."""
        return {
            "size_hw": list(self.size_hw),
            "num_classes": NUM_CLASSES,
            "output_stride": self.output_stride,
            "models": [row.to_json() for row in self.models],
            "checkpoints": [row.to_json() for row in self.checkpoints],
        }


def list_models(
    progress: Progress = SILENT,
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    output_stride: int | None = None,
) -> ModelList:
    """Return every model and every shipped checkpoint with its cost.

    Args:
        progress: told of each.
        size_hw: pixels of the image that they are counted at.
        output_stride: of every backbone; None: each its own.

    Raises:
        ConfigError: when there is no such stride, or a side is not from 32 to 16384 pixels.
    """
    with checking("size"):
        _check_size(size_hw)
    if output_stride is not None:
        with checking("output_stride"):
            check_output_stride(output_stride)
    shipped_paths = shipped.shipped_checkpoints()
    progress.begin("counting models", len(family.FAMILY) + len(shipped_paths), "models")
    models, checkpoints = [], []
    for member in family.FAMILY.values():
        spec = member.spec if output_stride is None else member.spec.at_stride(output_stride)
        models.append(ModelRow(spec, member.source, count_cost(spec, NUM_CLASSES, size_hw)))
        progress.advance()
    for name, path in shipped_paths.items():
        checkpoint = load_checkpoint(path)
        cost = count_network(checkpoint.build(output_stride=output_stride), size_hw)
        checkpoints.append(CheckpointRow(name, path, checkpoint.info, cost))
        progress.advance()
    return ModelList(tuple(models), tuple(checkpoints), size_hw, output_stride)


def _check_size(size_hw: tuple[int, int]) -> None:
    low, high = SIDES
    if not all(low <= side <= high for side in size_hw):
        raise ConfigError(
            f"size {size_hw[0]}x{size_hw[1]} came; sides from {low} to {high} pixels were expected; pass 513x513"
        )


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
    padding = 0

    def count_convolution(
        image: list[int], weight: list[int], *settings: Any, out_shape: list[int]
    ) -> int:
        nonlocal padding
        _bias, _stride, _padding, rates, transposed, *_ = settings
        flops = int(conv_flop_count(image, weight, out_shape, transposed=transposed))
        is_depthwise = weight[1] == 1
        if not is_depthwise:
            padding += flops * _padded(out_shape[2:], rates) // prod(out_shape[2:]) - flops
        return flops

    counted = {torch.ops.aten.convolution: count_convolution}
    with FlopCounterMode(display=False, custom_mapping=counted) as counter, torch.no_grad():
        network(image)
    multiply_adds = int(counter.get_total_flops()) // 2
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(parameters, multiply_adds, multiply_adds + padding // 2)


def _padded(size_hw: Sequence[int], rates: Sequence[int]) -> int:
    """Return the pixels of features once each side is a multiple of its rate."""
    return prod(-(-side // rate) * rate for side, rate in zip(size_hw, rates, strict=True))
