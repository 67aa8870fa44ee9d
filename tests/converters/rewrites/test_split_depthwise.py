"""`split-depthwise`: channels that are convolved alone are put together after it instead of before."""

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CONCATENATE, CONVOLUTION, DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.pipeline import name_operators
from edge_deeplab.converters.rewrites.split_depthwise import split_depthwise
from tests.converters.rewrites.graphs import IMAGE_SCALE, in_order, quantized, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Joined(nn.Module):
    """A convolution, and an activation if asked, of a map beside its square."""

    def __init__(self, convolution: nn.Module, *, relu: bool = True, axis: int = 1) -> None:
        super().__init__()
        self.convolution, self.relu, self.axis = convolution, relu, axis

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([image, (image * image)[:, :2], image], self.axis)
        convolved: torch.Tensor = self.convolution(joined)
        return convolved.relu() if self.relu else convolved


def depthwise(channels: int = 8, *, bias: bool = True, dilation: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    settings = {"padding": dilation, "dilation": dilation, "groups": channels, "bias": bias}
    return nn.Conv2d(channels, channels, 3, **settings)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
def test_split_depthwise_keeps_values(relu: bool, bias: bool, dilation: int) -> None:
    image = seeded(1, 3, 9, 11)
    program = trace(Joined(depthwise(bias=bias, dilation=dilation), relu=relu), image)
    rewritten = split_depthwise(program)
    assert torch.equal(run(rewritten, image), run(program, image))
    editor = ProgramEditor(rewritten)
    assert [c.meta["val"].shape[1] for c in editor.calls(CONVOLUTION)] == [3, 2, 3]
    (concatenation,) = editor.calls(CONCATENATE)
    assert concatenation is editor.output()


def joined_in_int8(image: torch.Tensor, *, scale: float = IMAGE_SCALE) -> ExportedProgram:
    """Return a quantized depthwise convolution that reads a concatenation of quantized maps, the last of a scale."""
    editor = ProgramEditor(quantized(depthwise(4), torch.cat([image, image], 1)))
    stored = editor.calls(QUANTIZE)[0]
    (read,) = stored.users
    picture = editor.replace_input(image)
    settings = stored.args[1:]
    parts = []
    for own in (settings, (scale, *settings[1:])):
        integers = editor.call_before(QUANTIZE, picture, *own, like=stored)
        parts.append(editor.call_before(DEQUANTIZE, integers, *own, like=stored))
    stored.replace_input_with(picture, editor.call_before(CONCATENATE, parts, 1, like=stored))
    assert read.target is DEQUANTIZE
    return editor.finish()


def test_split_depthwise_of_integers_keeps_each() -> None:
    image = seeded(1, 2, 9, 11)
    program = joined_in_int8(image)
    rewritten = split_depthwise(program)
    assert torch.equal(run(rewritten, image), run(program, image))
    assert operations(rewritten)["conv2d"] == 2
    output = ProgramEditor(rewritten).output()
    assert output.target is DEQUANTIZE


def test_parts_of_several_scales_are_left_alone() -> None:
    program = joined_in_int8(seeded(1, 2, 9, 11), scale=2 * IMAGE_SCALE)
    assert operations(split_depthwise(program)) == operations(program)


class SharedJoin(nn.Module):
    """A concatenation that is read beside the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = depthwise(6)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([image, image], 1)
        return self.convolution(joined) + joined


@pytest.mark.parametrize(
    "layer",
    [Joined(nn.Conv2d(8, 8, 3)), Joined(nn.Conv2d(8, 16, 3, groups=8)), SharedJoin()],
    ids=["dense", "two filters a channel", "shared"],
)
def test_split_depthwise_leaves_others_alone(layer: nn.Module) -> None:
    program = trace(layer, seeded(1, 3, 9, 11))
    assert operations(split_depthwise(program)) == operations(program)


def test_split_depthwise_changes_only_the_modules_asked_for() -> None:
    layers = in_order(a=Joined(depthwise()), b=Joined(depthwise(18)))
    program = name_operators(trace(layers, seeded(1, 3, 9, 11)))
    assert operations(split_depthwise(program, frozenset({"b"})))["conv2d"] == 1 + 3
    assert operations(split_depthwise(program))["conv2d"] == 3 + 3
