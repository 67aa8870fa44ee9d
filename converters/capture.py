"""From a model to the canonical graph: one `torch.export`, which all lowerings share.

The idea to hold: the model knows nothing of its export. An export-only wrapper puts normalisation
before it and the class map after it; what a target wants of its input and output (uint8, channels
last) is added later, by `adapters`, to a copy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.collecting import collecting_rarely
from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.quantized_adapters import is_quantized
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.rewrites.pipeline import apply_asked, apply_rewrites
from edge_deeplab.description import Head, Normalisation
from edge_deeplab.errors import CaptureError, ConfigError
from edge_deeplab.formats.operator_names import WRAPPER
from edge_deeplab.models.picture import resize
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.text import first_line, size_text

SIZE_MULTIPLE = 16
"""Height and width are multiples of it: then every resize has a whole ratio and every strided map is even."""

INPUT_NAME = "image"


@dataclass(frozen=True)
class CanonicalGraph:
    """What every target is lowered from, and the numbers that each artifact is held against.

    Args:
        program: takes "image", (1, 3, H, W) float32 RGB in 0..255, and gives one output named like
            `head`.
        head: "classes" ((1, H, W) int32 class ids) or "logits" ((1, K, H, W) float32).
        size_hw: height and width in pixels.
        sparse: whether weights were set to zero for a file to leave out.
    """

    program: ExportedProgram
    head: Head
    size_hw: tuple[int, int]
    sparse: bool = False

    @property
    def is_quantized(self) -> bool:
        """Whether it computes in int8."""
        return is_quantized(self.program)

    def rewritten(self, asked: Sequence[AskedRewrite]) -> "CanonicalGraph":
        """Return the graph after further rewrites.

        Raises:
            ConfigError: for a rewrite that does not exist.
        """
        return replace(self, program=apply_asked(self.program, asked))

    def run(self, image_hwc: torch.Tensor) -> torch.Tensor:
        """Run the graph in torch, as the reference of its artifacts.

        Args:
            image_hwc: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) int32 class ids, or (K, H, W) float32 logits, by the head.
        """
        image = image_hwc.permute(2, 0, 1)[None].float()
        with torch.no_grad():
            output: torch.Tensor = self._module(image=image)[self.head][0]
        return output

    @cached_property
    def _module(self) -> nn.Module:
        return self.program.module()


class ExportWrapper(nn.Module):
    """A model between its normalisation and its head; exists only to be captured.

    Args:
        model: maps normalised (N, 3, H, W) to logits (N, K, H, W).
        normalisation: constants in 0..255 pixel units.
        head: "classes" or "logits".
    """

    mean: torch.Tensor
    inverse_std: torch.Tensor

    def __init__(self, model: nn.Module, normalisation: Normalisation, head: Head) -> None:
        super().__init__()
        self.model = model
        self.head = head
        self.register_buffer("mean", _per_channel(normalisation.mean))
        self.register_buffer("inverse_std", _per_channel([1 / s for s in normalisation.std]))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, 3, H, W) float RGB in 0..255 to {head: class ids or logits}.

        Smaller logits are enlarged before the class is taken, as whoever reads logits enlarges them.
        """
        logits = self.model((image - self.mean) * self.inverse_std)
        if self.head == "classes":
            logits = resize(logits, image.shape[-2:])
        output = logits.argmax(dim=1).to(torch.int32) if self.head == "classes" else logits
        return {self.head: output}


@collecting_rarely()
def capture(
    model: nn.Module,
    normalisation: Normalisation,
    size_hw: tuple[int, int],
    head: Head,
    quantization: Quantization | None = None,
    asked: Sequence[AskedRewrite] = (),
) -> CanonicalGraph:
    """Capture a model as its canonical graph, rewrites applied.

    Args:
        model: float32, in evaluation mode; it is left as it is.
        normalisation: constants in 0..255 pixel units.
        size_hw: height and width in pixels.
        head: "classes" or "logits".
        quantization: of a quantized checkpoint; None captures the float model.
        asked: rewrites beside those that every graph gets, in order.

    Raises:
        ConfigError: for a rewrite that does not exist.
        CaptureError: when the model is in training mode, keeps something from run to run or cannot be traced by
            torch.export.
    """
    if model.training:
        raise CaptureError(
            "the model is in training mode, where batch norm uses the batch; "
            "evaluation mode was expected; call model.eval() first"
        )
    wrapper = ExportWrapper(model, normalisation, head).eval()
    example = {INPUT_NAME: torch.zeros(1, 3, *size_hw)}
    try:
        with quietly(), torch.no_grad():
            program = torch.export.export(wrapper, (), example).run_decompositions({})
            for node in program.graph.nodes:  # every later trace would copy what it came from
                node.meta.pop("from_node", None)
    except Exception as error:  # torch.export raises what the traced code and its own guards raise
        raise CaptureError(
            f"torch.export could not capture {type(model).__name__} at {size_hw[0]}x{size_hw[1]} "
            f"({type(error).__name__}: {first_line(error)}); a model without data-dependent control flow was expected"
        ) from error
    if program.graph_signature.buffers_to_mutate:
        _refuse_memory(program)
    return CanonicalGraph(apply_rewrites(program, quantization, asked), head, size_hw)


def _refuse_memory(program: ExportedProgram) -> None:
    """Refuse a network whose answer depends on a buffer that it writes: a file keeps nothing from run to run."""
    written = set(program.graph_signature.buffers_to_mutate.values())
    read = {spec.target for spec in ProgramEditor(program).finish().graph_signature.input_specs}
    kept = sorted(str(path).removeprefix(WRAPPER) for path in written & read)
    if kept:
        raise CaptureError(
            f"the network reads buffer {kept[0]} and writes it for the next picture, which no file can; an answer that "
            "depends on the picture alone was expected; do not write the buffer in evaluation mode"
        )


def check_size(size_hw: tuple[int, int]) -> None:
    """Refuse a size that is not a multiple of 16 on both sides.

    Raises:
        ConfigError: naming the nearest good size.
    """
    if not _is_good(size_hw):
        raise ConfigError(
            f"size {size_text(size_hw)} came, height and width that are multiples of {SIZE_MULTIPLE} were expected; "
            f"use {size_text(nearest_good_size(size_hw))}, the nearest, or allow any size and pay for it in accuracy"
        )


def say_what_size_costs(size_hw: tuple[int, int]) -> str | None:
    """Return a warning for a size that is not a multiple of 16; None for one that is."""
    if _is_good(size_hw):
        return None
    return (
        f"warning: size {size_text(size_hw)} is not a multiple of {SIZE_MULTIPLE}: resizes get ratios that are not "
        "whole (Core ML nudges its float scale upwards) and strided convolutions sample odd maps half a pixel off what "
        "the network was trained on; several mIoU points were measured between the two kinds of size; the nearest good "
        f"size is {size_text(nearest_good_size(size_hw))}"
    )


def _is_good(size_hw: tuple[int, int]) -> bool:
    return all(side % SIZE_MULTIPLE == 0 and side > 0 for side in size_hw)


def nearest_good_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the nearest height and width that are multiples of 16, at least 16."""
    height, width = (max(1, math.floor(s / SIZE_MULTIPLE + 0.5)) * SIZE_MULTIPLE for s in size_hw)
    return height, width


def _per_channel(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)
