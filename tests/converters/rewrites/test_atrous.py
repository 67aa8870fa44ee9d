"""Both rewrites of atrous convolutions compute what the convolution computed: in float, and bit for bit in int8."""

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, DEQUANTIZE_CHANNELS, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.catalogue import get_rewrite
from edge_deeplab.converters.rewrites.deinterlace import deinterlace
from edge_deeplab.converters.rewrites.zero_insert import upsample_filter
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")
both = pytest.mark.parametrize("name", ["zero-insert", "deinterlace"])


def image_of(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def convolution(
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] | None = None,
    rate: tuple[int, int] = (2, 2),
    groups: int = 1,
    bias: bool = True,
) -> nn.Conv2d:
    """Return a seeded convolution of 4 to 8 channels; without padding given, what keeps the size at stride 1."""
    torch.manual_seed(0)
    if padding is None:
        padding = ((kernel[0] - 1) * rate[0] // 2, (kernel[1] - 1) * rate[1] // 2)
    return nn.Conv2d(
        4, 8, kernel, stride=stride, padding=padding, dilation=rate, groups=groups, bias=bias
    )


CASES = {
    "dense": ((11, 13), convolution()),
    "depthwise": ((11, 13), convolution(groups=4)),
    "grouped": ((11, 13), convolution(groups=2)),
    "no bias": ((11, 13), convolution(bias=False)),
    "rates differ": ((11, 13), convolution(rate=(3, 5), groups=4)),
    "one rate only": ((10, 13), convolution(rate=(1, 4))),
    "rate above the map": ((5, 7), convolution(rate=(18, 12), groups=4)),
    "even kernel": ((11, 13), convolution((2, 4), padding=(1, 3), rate=(3, 2))),
    "one tap by height": ((11, 13), convolution((1, 3), rate=(4, 4))),
    "one tap": ((11, 13), convolution((1, 1), rate=(6, 6))),
    "five taps": ((17, 14), convolution((5, 5), rate=(2, 3))),
    "no padding": ((11, 13), convolution(padding=(0, 0))),
    "padding no multiple of the rate": ((11, 13), convolution(padding=(1, 2), rate=(4, 3))),
    "padding beyond the filter": ((4, 5), convolution(padding=(7, 9), rate=(2, 3))),
    "stride divides rate": ((11, 13), convolution(stride=(2, 2), rate=(4, 6), groups=4)),
    "stride is rate": ((11, 13), convolution(stride=(2, 3), rate=(2, 3))),
    "rate divides stride": ((12, 13), convolution(stride=(4, 6), rate=(2, 3))),
    "stride beside rate": ((11, 14), convolution(stride=(2, 3), rate=(3, 2))),
    "stride and rate share a part": ((15, 19), convolution(stride=(4, 6), rate=(6, 4))),
    "stride, odd padding": ((11, 13), convolution(stride=(2, 2), padding=(1, 3), rate=(4, 2))),
}
cases = pytest.mark.parametrize(("size", "layer"), CASES.values(), ids=CASES.keys())


@both
@cases
def test_atrous_rewrite_keeps_values(name: str, size: tuple[int, int], layer: nn.Conv2d) -> None:
    image = image_of(1, 4, *size)
    program = trace(nn.Sequential(layer, nn.ReLU6()), image)
    rewritten = get_rewrite(name).apply(program, None)
    expected, actual = run(program, image), run(rewritten, image)
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    assert highest_rate(rewritten) == 1


@both
@cases
def test_atrous_rewrite_of_integers_is_bit_equal(
    name: str, size: tuple[int, int], layer: nn.Conv2d
) -> None:
    image = image_of(1, 4, *size)
    program = quantized(trace(nn.Sequential(layer, nn.ReLU6()), image))
    rewritten = get_rewrite(name).apply(program, None)
    assert torch.equal(run(rewritten, image), run(program, image))
    assert highest_rate(rewritten) == 1
    assert all(is_integer_move(node) for node in moves(rewritten))


def quantized(program: ExportedProgram) -> ExportedProgram:
    """Return a program of convolution and activation with scales that are powers of two: its sums are exact."""
    editor = ProgramEditor(program)
    (layer,) = editor.calls(torch.ops.aten.conv2d.default)
    weight, *rest = layer.args[1:]
    integers = torch.round(editor.constant(weight) * 128).clamp(-127, 127).to(torch.int8)
    scales = 2.0 ** -(7 + torch.arange(len(integers)) % 2)
    constants = [
        editor.add_constant(f"0.{name}", value)
        for name, value in (
            ("quantized_weight", integers),
            ("weight_scale", scales),
            ("weight_zero_point", torch.zeros(len(integers), dtype=torch.int64)),
        )
    ]
    dequantized = editor.call_before(
        DEQUANTIZE_CHANNELS, *constants, 0, -127, 127, torch.int8, like=layer
    )
    image, output = editor.input(), editor.output()
    settings = (2.0**-5, 3, -128, 127, torch.int8)
    stored = editor.call(QUANTIZE, image, *settings, like=image)
    layer.args = (editor.call(DEQUANTIZE, stored, *settings, like=stored), dequantized, *rest)
    if rest and rest[0] is not None:
        bias = torch.round(editor.constant(rest[0]) / scales * 2**5) * scales * 2.0**-5
        layer.replace_input_with(rest[0], editor.add_constant("0.rounded_bias", bias))
    settings = (2.0**-4, -128, -128, 127, torch.int8)
    stored = editor.call(QUANTIZE, output, *settings, like=output)
    restored = editor.call(DEQUANTIZE, stored, *settings, like=stored)
    editor.graph.output_node().replace_input_with(output, restored)
    return editor.finish()


def highest_rate(program: ExportedProgram) -> int:
    calls = ProgramEditor(program).calls(torch.ops.aten.conv2d.default)
    return max(max(node.args[5]) if len(node.args) > 5 else 1 for node in calls)


def moves(program: ExportedProgram) -> list[torch.fx.Node]:
    names = {"permute", "reshape", "slice", "constant_pad_nd"}
    return [
        n
        for n in program.graph.nodes
        if getattr(getattr(n.target, "overloadpacket", None), "__name__", "") in names
    ]


def is_integer_move(node: torch.fx.Node) -> bool:
    """Whether an operator lies between dequantize and quantize of the same scale and zero point."""
    (reader,) = node.users
    source = node.args[0]
    assert isinstance(source, torch.fx.Node)
    return (
        source.target is DEQUANTIZE
        and reader.target is QUANTIZE
        and source.args[1:] == reader.args[1:]
    )


@both
def test_atrous_rewrite_of_some_modules_leaves_others_alone(name: str) -> None:
    image = image_of(1, 4, 11, 13)
    layers = nn.Sequential(convolution(), nn.ReLU(), nn.Conv2d(8, 4, 3, dilation=3))
    program = trace(layers, image)
    rewritten = get_rewrite(name).apply(program, frozenset({"0"}))
    assert highest_rate(rewritten) == 3
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    both_modules = get_rewrite(name).apply(program, None)
    assert highest_rate(both_modules) == 1
    torch.testing.assert_close(run(both_modules, image), run(program, image), rtol=0, atol=1e-5)


class ComputedWeight(nn.Module):
    """A convolution whose weight is no constant."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(image, image.mean((2, 3), keepdim=True), dilation=2)


@both
@pytest.mark.parametrize("module", [nn.Conv2d(4, 6, 3, bias=False), ComputedWeight()])
def test_atrous_rewrite_leaves_what_it_does_not_fit_alone(name: str, module: nn.Module) -> None:
    program = trace(module, image_of(1, 4, 8, 9))
    assert operations(get_rewrite(name).apply(program, None)) == operations(program)


def test_deinterlace_with_another_reader_before_the_activation_keeps_values() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = convolution()

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            convolved = self.layer(image)
            result: torch.Tensor = convolved.relu() + convolved
            return result

    image = image_of(1, 4, 7, 9)
    program = trace(Net(), image)
    rewritten = deinterlace(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)


def test_deinterlace_at_one_rate_twice_cuts_the_map_once() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = convolution(), convolution(groups=4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.first(image) + self.second(image)
            return result

    image = image_of(1, 4, 8, 10)
    program = trace(Branches(), image)
    rewritten = deinterlace(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    assert operations(rewritten)["permute"] == 4 + 2 * 4


def test_deinterlace_keeps_every_tensor_at_four_axes() -> None:
    rewritten = deinterlace(trace(convolution(), image_of(1, 4, 7, 9)))
    shapes = [n.meta["val"].shape for n in rewritten.graph.nodes if n.op == "call_function"]
    assert {len(shape) for shape in shapes} == {4}


def test_upsample_filter_puts_zeros_between_taps() -> None:
    weight = torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.int8)
    expected = torch.tensor([[[[1, 0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 4]]]], dtype=torch.int8)
    assert torch.equal(upsample_filter(weight, (2, 3)), expected)
