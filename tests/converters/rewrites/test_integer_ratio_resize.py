"""`integer-ratio-resize`: any bilinear resize as two constant matrices, where its mode is not shared by all targets."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.integer_ratio_resize import integer_ratio_resize
from edge_deeplab.converters.rewrites.pipeline import name_operators
from tests.converters.rewrites.graphs import in_order, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Resize(nn.Module):
    """A bilinear resize."""

    def __init__(self, size_hw: tuple[int, int], *, align_corners: bool = False) -> None:
        super().__init__()
        self.size_hw, self.align_corners = size_hw, align_corners

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(
            image, size=self.size_hw, mode="bilinear", align_corners=self.align_corners
        )


@pytest.mark.parametrize(
    "layer",
    [
        Resize((65, 97)),
        Resize((18, 35)),
        Resize((20, 22)),
        Resize((5, 7)),
        Resize((33, 41), align_corners=True),
        Resize((18, 22), align_corners=True),
        Resize((1, 1), align_corners=True),
    ],
    ids=["both", "height whole", "width whole", "smaller", "corners", "corners, whole", "pixel"],
)
def test_integer_ratio_resize_keeps_values(layer: Resize) -> None:
    image = seeded(1, 3, 9, 11)
    program = trace(nn.Sequential(layer), image)
    rewritten = integer_ratio_resize(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    assert operations(rewritten) == {"matmul": 2}


def test_integer_ratio_resize_of_two_in_a_row_keeps_values() -> None:
    image = seeded(1, 3, 9, 11)
    program = trace(nn.Sequential(Resize((17, 21)), Resize((30, 40))), image)
    rewritten = integer_ratio_resize(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    assert operations(rewritten) == {"matmul": 4}


def test_integer_ratio_resize_leaves_whole_ratios_alone() -> None:
    program = trace(nn.Sequential(Resize((36, 22))), seeded(1, 3, 9, 11))
    assert operations(integer_ratio_resize(program)) == {"upsample_bilinear2d": 1}


def test_integer_ratio_resize_leaves_int8_maps_alone() -> None:
    image = seeded(1, 3, 9, 11)
    editor = ProgramEditor(trace(nn.Sequential(Resize((17, 21))), image))
    (resize,) = editor.calls(torch.ops.aten.upsample_bilinear2d.vec)
    settings = (0.05, 0, -128, 127, torch.int8)
    stored = editor.call(QUANTIZE, editor.input(), *settings, like=editor.input())
    restored = editor.call(DEQUANTIZE, stored, *settings, like=stored)
    resize.replace_input_with(editor.input(), restored)
    program = editor.finish()
    assert operations(integer_ratio_resize(program)) == operations(program)


def test_integer_ratio_resize_changes_only_the_modules_asked_for() -> None:
    layers = in_order(a=Resize((17, 21)), b=Resize((30, 40)))
    program = name_operators(trace(layers, seeded(1, 3, 9, 11)))
    rewritten = integer_ratio_resize(program, frozenset({"a"}))
    assert operations(rewritten) == {"matmul": 2, "upsample_bilinear2d": 1}
