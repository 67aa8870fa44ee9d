"""`resize-as-convolution`: bilinear resizes by even ratios as depthwise convolutions, exact in int8."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn import functional

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE, RESIZE
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.pipeline import name_operators
from edge_deeplab.converters.rewrites.resize_as_convolution import (
    LARGEST_RATIO,
    column_weights,
    resize_as_convolution,
    row_weights,
)
from edge_deeplab.description import Head
from edge_deeplab.targets import TARGETS
from tests.converters.conftest import SIZE_HW, describe
from tests.converters.rewrites.graphs import in_order, seeded
from tests.converters.test_rewrites import operations, run, trace
from tests.opening import open_here
from tests.slow import or_slow

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Enlarge(nn.Module):
    """A bilinear resize by whole ratios."""

    def __init__(self, ratio_h: int, ratio_w: int, *, align_corners: bool = False) -> None:
        super().__init__()
        self.ratio_hw, self.align_corners = (ratio_h, ratio_w), align_corners

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2] * self.ratio_hw[0], image.shape[3] * self.ratio_hw[1]
        return functional.interpolate(
            image, size=(height, width), mode="bilinear", align_corners=self.align_corners
        )


@pytest.mark.parametrize("ratio_hw", [(4, 4), (2, 2), (8, 8), (4, 2), (2, 10), (32, 32)])
@pytest.mark.parametrize("size_hw", [(9, 11), (1, 3), (2, 1)])
def test_resize_as_convolution_keeps_values(
    ratio_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    image = seeded(1, 3, *size_hw)
    program = trace(nn.Sequential(Enlarge(*ratio_hw)), image)
    rewritten = resize_as_convolution(program)
    torch.testing.assert_close(run(rewritten, image), run(program, image), rtol=0, atol=1e-5)
    counts = operations(rewritten)
    assert (counts["conv2d"], counts["upsample_bilinear2d"]) == (ratio_hw[1], 0)


def quantized(layer: nn.Module, image: torch.Tensor, scale: float, zero: int) -> ExportedProgram:
    """Return image -> quantizer -> resize -> quantizer of the same scale; the result as integers."""
    editor = ProgramEditor(trace(nn.Sequential(layer), image))
    settings = (scale, zero, -128, 127, torch.int8)
    (resize,) = editor.calls(RESIZE)
    stored = editor.call(QUANTIZE, editor.input(), *settings, like=editor.input())
    restored = editor.call(DEQUANTIZE, stored, *settings, like=stored)
    resize.replace_input_with(editor.input(), restored)
    enlarged = editor.call(QUANTIZE, resize, *settings, like=resize)
    editor.graph.output_node().replace_input_with(resize, enlarged)
    return editor.finish()


@pytest.mark.parametrize("ratio", [4, 8])
def test_integers_are_those_of_the_resize_where_sums_are_exact_in_float32(ratio: int) -> None:
    image = seeded(1, 5, 9, 11) * 2
    program = quantized(Enlarge(ratio, ratio), image, 2.0**-5, 3)
    rewritten = resize_as_convolution(program)
    assert len(run(program, image).unique()) > 100
    assert torch.equal(run(rewritten, image), run(program, image))


def test_integers_differ_by_one_and_only_in_the_middle_of_two() -> None:
    image, scale = torch.rand(1, 8, 30, 40, generator=torch.Generator().manual_seed(0)) * 5, 0.0203
    program = quantized(Enlarge(4, 4), image, scale, -128)
    before, after = (run(p, image).int() for p in (program, resize_as_convolution(program)))
    integers = torch.round(image / scale - 128).clamp(-128, 127).double()
    exact = functional.interpolate(integers, scale_factor=4.0, mode="bilinear")
    away = exact != exact.floor() + 0.5
    assert torch.equal(after[away], torch.round(exact[away]).int())
    assert torch.equal(after[away], before[away])
    assert (after - exact).abs().max() <= 0.5
    assert (after - before).abs().max() <= 1


def test_weights_are_whole_and_fit_eight_bits_up_to_the_largest_ratio() -> None:
    for ratio in range(2, LARGEST_RATIO + 1, 2):
        rows, columns = row_weights(ratio), column_weights(ratio)
        assert int(rows.sum()) == 2 * ratio
        assert (columns.sum(1) == 2 * ratio).all()
        assert int(rows.max() * columns.max()) <= 127
    assert int(row_weights(LARGEST_RATIO + 2).max() * column_weights(LARGEST_RATIO + 2).max()) > 127


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Enlarge(3, 3), (1, 3, 9, 11)),
        (Enlarge(4, 1), (1, 3, 9, 11)),
        (Enlarge(34, 2), (1, 3, 3, 3)),
        (Enlarge(4, 4, align_corners=True), (1, 3, 9, 11)),
        (Enlarge(4, 4), (1, 3, 1, 1)),
        (Enlarge(4, 4), (2, 3, 9, 11)),
    ],
    ids=["odd", "one side", "far", "corners", "pixel", "batch"],
)
def test_resize_as_convolution_leaves_others_alone(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    program = trace(nn.Sequential(layer), seeded(*shape))
    assert operations(resize_as_convolution(program)) == {"upsample_bilinear2d": 1}


def test_resize_as_convolution_changes_only_the_modules_asked_for() -> None:
    layers = in_order(a=Enlarge(2, 2), b=Enlarge(4, 4))
    program = name_operators(trace(layers, seeded(1, 3, 5, 7)))
    counts = operations(resize_as_convolution(program, frozenset({"b"})))
    assert (counts["conv2d"], counts["upsample_bilinear2d"]) == (4, 1)


@pytest.mark.parametrize("target", [or_slow(target, target != "coreml") for target in TARGETS])
def test_file_of_each_target_gives_the_canonical_logits(
    target: str,
    canonical: Callable[[Head], CanonicalGraph],
    image_hwc: torch.Tensor,
    tmp_path: Path,
) -> None:
    plain: CanonicalGraph = canonical("logits")
    graph = CanonicalGraph(resize_as_convolution(plain.program), plain.head, plain.size_hw)
    assert (
        operations(graph.program)["upsample_bilinear2d"]
        < operations(plain.program)["upsample_bilinear2d"]
    )
    path = tmp_path / f"logits{TARGETS[target].ending}"
    write_target(graph, describe(target, "fp32", "logits"), path)
    with open_here(path) as runtime:
        scores = torch.from_numpy(runtime.logits(image_hwc[None].numpy())[0])
    assert scores.shape[1:] == SIZE_HW
    torch.testing.assert_close(scores, plain.run(image_hwc), rtol=1e-3, atol=1e-3)
