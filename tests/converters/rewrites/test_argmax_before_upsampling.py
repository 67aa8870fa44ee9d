"""`argmax-before-upsampling`: the class map of logits at half the height, its rows written twice."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.argmax_before_upsampling import argmax_before_upsampling
from tests.converters.rewrites.graphs import seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
SETTINGS = (2.0**-4, 8, -128, 127, torch.int8)


class Head(nn.Module):
    """An enlarged map and its argmax.

    Args:
        size_hw: what it is enlarged to.
        axis: of the argmax.
        align_corners: mode of the resize.
    """

    def __init__(
        self, size_hw: tuple[int, int] = (32, 48), axis: int = 1, *, align_corners: bool = False
    ) -> None:
        super().__init__()
        self.size_hw, self.axis, self.align_corners = size_hw, axis, align_corners

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        enlarged = functional.interpolate(
            logits, size=self.size_hw, mode="bilinear", align_corners=self.align_corners
        )
        return enlarged.argmax(self.axis).to(torch.int32)


class HeadByFactor(nn.Module):
    """An argmax of a map that is enlarged by a factor."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        enlarged = functional.interpolate(logits, scale_factor=4.0, mode="bilinear")
        return enlarged.argmax(1).to(torch.int32)


class HeadWithScores(Head):
    """A head whose enlarged logits something else reads too."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        enlarged = functional.interpolate(
            logits, size=self.size_hw, mode="bilinear", align_corners=False
        )
        return enlarged.argmax(1) + enlarged.amax(1)


def expected_of(logits: torch.Tensor, quantizer: nn.Module) -> torch.Tensor:
    half = functional.interpolate(logits, size=(16, 48), mode="bilinear", align_corners=False)
    return quantizer(half).argmax(1).to(torch.int32).repeat_interleave(2, 1)


def test_argmax_before_upsampling_takes_the_class_map_at_half_the_height() -> None:
    logits = seeded(1, 5, 8, 12)
    program = trace(Head(), logits)
    rewritten = argmax_before_upsampling(program)
    assert torch.equal(run(rewritten, logits), expected_of(logits, nn.Identity()))
    assert run(rewritten, logits).dtype == torch.int32
    changed = (run(rewritten, logits) != run(program, logits)).float().mean()
    assert 0 < changed < 0.2
    assert resized_to(rewritten) == [16, 48]


def test_argmax_before_upsampling_of_a_resize_by_a_factor_halves_it_as_well() -> None:
    logits = seeded(1, 5, 8, 12)
    rewritten = argmax_before_upsampling(trace(HeadByFactor(), logits))
    assert torch.equal(run(rewritten, logits), expected_of(logits, nn.Identity()))
    assert resized_to(rewritten) == [16, 48]


def test_argmax_before_upsampling_passes_the_quantizer_of_the_logits() -> None:
    logits = seeded(1, 5, 8, 12)
    editor = ProgramEditor(trace(Head(), logits))
    (resize,) = editor.calls(torch.ops.aten.upsample_bilinear2d.vec)
    (argmax,) = resize.users
    stored = editor.call(QUANTIZE, resize, *SETTINGS, like=resize)
    argmax.replace_input_with(resize, editor.call(DEQUANTIZE, stored, *SETTINGS, like=stored))
    program = editor.finish()
    rewritten = argmax_before_upsampling(program)
    assert torch.equal(run(rewritten, logits), expected_of(logits, Rounded()))
    assert operations(rewritten)["quantize_per_tensor"] == 1
    assert resized_to(rewritten) == [16, 48]


class Rounded(nn.Module):
    """What the quantizer of the logits makes of them."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return QUANTIZE(values, *SETTINGS)


@pytest.mark.parametrize(
    "head",
    [Head(axis=2), Head((24, 36)), Head((33, 49)), Head(align_corners=True), HeadWithScores()],
    ids=["other axis", "odd ratio", "no whole ratio", "corners", "scores read"],
)
def test_argmax_before_upsampling_leaves_others_alone(head: nn.Module) -> None:
    logits = seeded(1, 5, 8, 12)
    program = trace(head, logits)
    rewritten = argmax_before_upsampling(program)
    assert operations(rewritten) == operations(program)
    assert torch.equal(run(rewritten, logits), run(program, logits))


def test_argmax_before_upsampling_in_another_module_is_left_alone() -> None:
    program = trace(Head(), seeded(1, 5, 8, 12))
    rewritten = argmax_before_upsampling(program, frozenset({"classifier"}))
    assert operations(rewritten) == operations(program)


def resized_to(program: torch.export.ExportedProgram) -> object:
    (resize,) = ProgramEditor(program).calls(torch.ops.aten.upsample_bilinear2d.vec)
    return resize.args[1]
