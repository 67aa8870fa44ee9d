"""`split-groups`: the values of a grouped convolution from convolutions that every target has."""

import pytest
import torch
from torch import nn

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.pipeline import name_operators
from edge_deeplab.converters.rewrites.split_groups import split_groups
from tests.converters.rewrites.graphs import in_order, quantized, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
CONVOLUTION = torch.ops.aten.conv2d.default


def grouped(*, multiplier: int = 1, one_channel: bool = False, bias: bool = True) -> nn.Conv2d:
    """Return 8 channels in 2 groups of 4; with `one_channel` each filter reads the one a depthwise filter would."""
    torch.manual_seed(0)
    layer = nn.Conv2d(
        8, 8 * multiplier, 3, stride=2, padding=(1, 2), dilation=2, groups=2, bias=bias
    )
    if one_channel:
        own = torch.arange(8 * multiplier) // multiplier % 4
        keep = nn.functional.one_hot(own, 4)[:, :, None, None]
        with torch.no_grad():
            layer.weight.mul_(keep)
    return layer


CASES = {
    "two groups": (grouped(), [1, 1]),
    "more outputs": (grouped(multiplier=3), [1, 1]),
    "no bias": (grouped(bias=False), [1, 1]),
    "one channel a filter": (grouped(one_channel=True), [8]),
    "one channel, more outputs": (grouped(multiplier=2, one_channel=True), [8]),
}
cases = pytest.mark.parametrize(("layer", "groups"), CASES.values(), ids=CASES.keys())


def groups_of(program: torch.export.ExportedProgram) -> list[int]:
    calls = ProgramEditor(program).calls(CONVOLUTION)
    return [node.args[6] if len(node.args) > 6 else 1 for node in calls]  # type: ignore[misc]


@cases
def test_split_groups_keeps_values(layer: nn.Conv2d, groups: list[int]) -> None:
    image = seeded(1, 8, 11, 13)
    program = trace(nn.Sequential(layer, nn.ReLU()), image)
    rewritten = split_groups(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    assert groups_of(rewritten) == groups


@pytest.mark.parametrize(
    ("layer", "groups"),
    [(grouped(), [1, 1]), (grouped(multiplier=2), [1, 1]), (grouped(one_channel=True), [8])],
)
def test_split_groups_of_integers_is_bit_equal(layer: nn.Conv2d, groups: list[int]) -> None:
    image = seeded(1, 8, 11, 13)
    program = quantized(layer, image)
    rewritten = split_groups(program)
    assert torch.equal(run(rewritten, image), run(program, image))
    assert groups_of(rewritten) == groups
    for convolution in ProgramEditor(rewritten).calls(CONVOLUTION):
        assert convolution.args[0].target is DEQUANTIZE  # type: ignore[union-attr]
        (relu,) = convolution.users
        assert [user.target for user in relu.users] == [QUANTIZE]


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 3, groups=8), nn.Conv2d(8, 4, 3)]
)
def test_split_groups_leaves_depthwise_and_dense_alone(layer: nn.Conv2d) -> None:
    image = seeded(1, 8, 7, 7)
    program = trace(nn.Sequential(layer), image)
    rewritten = split_groups(program)
    assert operations(rewritten) == operations(program)
    assert groups_of(rewritten) == groups_of(program)


def test_split_groups_changes_only_the_modules_asked_for() -> None:
    image = seeded(1, 8, 15, 15)
    program = name_operators(trace(in_order(a=grouped(), b=grouped()), image))
    assert groups_of(split_groups(program, frozenset({"b"}))) == [2, 1, 1]
