"""`spread-pooled-pixel`: a pooled pixel added to zeros in place of a resize that names the map's size."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE, RESIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.spread_pooled_pixel import spread_pooled_pixel
from tests.converters.rewrites.graphs import seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
SETTINGS = (2.0**-5, 8, -128, 127, torch.int8)


class Branch(nn.Module):
    """A map beside what is pooled from it and spread over it again.

    Args:
        pool: makes a pixel of the map.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pool, self.project = pool, nn.Conv2d(4, 6, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        pixel = self.project(self.pool(features)).relu()
        spread = functional.interpolate(
            pixel, size=features.shape[2:], mode="bilinear", align_corners=False
        )
        return torch.cat([features, spread], 1)


class Constant(nn.Module):
    """A pixel that comes from nowhere."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.arange(4.0).reshape(1, 4, 1, 1)


class Corner(nn.Module):
    """A pixel of the map, not its mean."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features[:, :, :1, :1]


def pooled_in_int8(features: torch.Tensor) -> torch.export.ExportedProgram:
    """Return the branch with quantizers of one scale before and behind its resize."""
    editor = ProgramEditor(trace(Branch(nn.AdaptiveAvgPool2d(1)), features))
    (resize,) = editor.calls(RESIZE)
    for node in (resize.args[0], resize):
        assert isinstance(node, torch.fx.Node)
        readers = list(node.users)
        stored = editor.call(QUANTIZE, node, *SETTINGS, like=node)
        restored = editor.call(DEQUANTIZE, stored, *SETTINGS, like=stored)
        for reader in readers:
            reader.replace_input_with(node, restored)
    return editor.finish()


def test_float_values_are_the_pixels_own_which_a_resize_may_round() -> None:
    features = seeded(1, 4, 5, 7)
    branch = Branch(nn.AdaptiveAvgPool2d(1))
    before = trace(branch, features)
    after = spread_pooled_pixel(before)
    pixel = branch.project(branch.pool(features)).relu()
    assert torch.equal(run(after, features)[:, 4:], pixel.expand(1, 6, 5, 7))
    assert torch.allclose(run(after, features), run(before, features), rtol=1e-6, atol=0)
    assert operations(before)["upsample_bilinear2d"] == 1
    assert operations(after)["upsample_bilinear2d"] == 0


def test_integers_are_the_same() -> None:
    features = seeded(1, 4, 5, 7)
    before = pooled_in_int8(features)
    after = spread_pooled_pixel(before)
    assert torch.equal(run(after, features), run(before, features))
    assert operations(after)["upsample_bilinear2d"] == 0


def test_nothing_that_it_leaves_names_the_size_of_the_map() -> None:
    def settings(height: int, width: int) -> list[object]:
        program = trace(Branch(nn.AdaptiveAvgPool2d(1)), seeded(1, 4, height, width))
        nodes = [n for n in spread_pooled_pixel(program).graph.nodes if n.op == "call_function"]
        return [(n.target, [a for a in n.args if not isinstance(a, torch.fx.Node)]) for n in nodes]

    assert str(settings(5, 7)) == str(settings(12, 3))


@pytest.mark.parametrize("pool", [Constant(), Corner()])
def test_a_pixel_that_was_not_pooled_from_the_map_is_left_alone(pool: nn.Module) -> None:
    features = seeded(1, 4, 5, 7)
    before = trace(Branch(pool), features)
    after = spread_pooled_pixel(before)
    assert operations(after) == operations(before)


def test_other_modules_than_those_asked_for_are_left_alone() -> None:
    before = trace(Branch(nn.AdaptiveAvgPool2d(1)), seeded(1, 4, 5, 7))
    assert operations(spread_pooled_pixel(before, frozenset({"elsewhere"}))) == operations(before)
