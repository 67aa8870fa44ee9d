"""The picture's normalisation as an int8 convolution: the same integers from every pixel."""

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.channel_factors import integer_factors
from edge_deeplab.converters.rewrites.normalise_in_int8 import normalise_in_int8
from edge_deeplab.converters.rewrites.quantizers import round_biases
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

PIXELS = torch.arange(256.0).reshape(1, 1, 16, 16).expand(1, 3, 16, 16).contiguous()
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


class Normalisation(nn.Module):
    """(N, 3, H, W) pixels less a mean, over a deviation."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("inverse_std", 1 / torch.tensor(std).reshape(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (image - self.mean) * self.inverse_std


def quantized_normalisation(
    mean: tuple[float, ...], std: tuple[float, ...], scale: float, zero_point: int
) -> ExportedProgram:
    """Return normalisation -> quantize -> dequantize."""
    editor = ProgramEditor(trace(Normalisation(mean, std), PIXELS))
    normalised = editor.output()
    settings = (scale, zero_point, -128, 127, torch.int8)
    stored = editor.call(QUANTIZE, normalised, *settings, like=normalised)
    restored = editor.call(DEQUANTIZE, stored, *settings, like=stored)
    editor.graph.output_node().replace_input_with(normalised, restored)
    return editor.finish()


@pytest.mark.parametrize(("scale", "zero_point"), [(0.01868, -14), (0.025, 3)])
def test_pixels_give_the_same_integers_but_at_rounding_boundaries(scale, zero_point):
    program = quantized_normalisation(*IMAGENET, scale, zero_point)
    rewritten = round_biases(normalise_in_int8(program))
    assert operations(rewritten)["conv2d"] == 1
    assert not {"sub", "mul"} & set(operations(rewritten))
    expected, found = run(program, PIXELS), run(rewritten, PIXELS)
    assert len(expected.unique()) > 150
    exact = (Normalisation(*IMAGENET)(PIXELS) / scale) % 1
    at_boundary = (exact - 0.5).abs() < 0.01
    assert at_boundary.float().mean() < 0.04
    assert torch.equal(found[~at_boundary], expected[~at_boundary])
    assert (found - expected).abs().max() < 1.01 * scale


def test_pixels_that_are_the_integers_already_are_left_alone():
    program = quantized_normalisation((127.0,) * 3, (128.0,) * 3, 1 / 128, -1)
    assert operations(normalise_in_int8(program)) == operations(program)


def test_float_normalisation_is_left_alone():
    program = trace(Normalisation(*IMAGENET), PIXELS)
    assert operations(normalise_in_int8(program)) == operations(program)


def test_integer_factors_are_near_and_their_scales_exact_in_half_precision():
    factors = 1 / torch.tensor([58.395, 57.12, 57.375, 127.5, 1.0])
    integers, scales = integer_factors(factors)
    assert integers.dtype == torch.int8
    assert torch.equal(scales, scales.half().float())
    assert ((integers * scales / factors - 1).abs() < 3e-5).all()
