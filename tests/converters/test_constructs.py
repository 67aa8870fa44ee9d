"""What networks are written with and converters get wrong or refuse: each file computes what the module does."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.errors import CaptureError, ConversionError
from edge_deeplab.targets import TARGETS
from tests.converters.conftest import CLASSES, NORMALISATION, SIZE_HW, describe, normalise
from tests.opening import open_here

Body = Callable[[torch.Tensor], torch.Tensor]
CHANNELS = 8


class Around(nn.Module):
    """A network around its middle, maps of 8x12 pixels."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, stride=4, padding=1)
        self.body = body
        self.classifier = nn.Conv2d(CHANNELS, len(CLASSES), 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.classifier(self.body(self.stem(images)))
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear")


def around(body: Body) -> nn.Module:
    torch.manual_seed(0)
    return Around(body).eval()


def normed(*, affine: bool) -> Body:
    norm = nn.InstanceNorm2d(CHANNELS, affine=affine, track_running_stats=True).eval()
    generator = torch.Generator().manual_seed(0)
    statistics = torch.rand(2, CHANNELS, generator=generator) + 0.5
    cast(torch.Tensor, norm.running_mean).copy_(statistics[0])
    cast(torch.Tensor, norm.running_var).copy_(statistics[1])
    return nn.Sequential(nn.ReLU(), norm)


class Attention(nn.Module):
    """Two heads over all pixels, each pixel blind to those behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Conv2d(CHANNELS, 3 * CHANNELS, 1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = maps.shape
        pixels = height * width
        parts = self.parts(maps).reshape(batch, 3, 2, channels // 2, pixels)
        query, key, value = parts.permute(1, 0, 2, 4, 3).unbind(0)
        blind = torch.full((pixels, pixels), float("-inf")).triu(1)
        weights = (query @ key.transpose(-2, -1) + blind).softmax(-1)
        joined = self.dropout((weights @ value).transpose(1, 2).contiguous())
        return joined.view(batch, pixels, channels).transpose(1, 2).reshape(maps.shape)


class ComputedBias(nn.Module):
    """A convolution whose bias is computed of a weight, before a batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(CHANNELS, CHANNELS, 1, 1))
        self.bias = nn.Parameter(torch.arange(float(CHANNELS)))
        self.norm = nn.BatchNorm2d(CHANNELS)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        normed: torch.Tensor = self.norm(functional.conv2d(maps, self.weight, self.bias * 2 + 1))
        return normed


class OnePart(nn.Module):
    """A concatenation of one pooled pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        pixel = functional.adaptive_avg_pool2d(maps, 1)
        resized = functional.interpolate(pixel, size=maps.shape[2:], mode="bilinear")
        projected: torch.Tensor = self.project(torch.cat([resized], 1))
        return projected + maps


class Counter(nn.Module):
    """A buffer that every picture changes, and an answer that it is part of or not."""

    calls: torch.Tensor

    def __init__(self, *, read: bool) -> None:
        super().__init__()
        self.read = read
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return maps + self.calls if self.read else maps * 2


def resized(size: tuple[int, int], mode: str, **settings: bool) -> Body:
    return lambda maps: functional.interpolate(maps, size=size, mode=mode, **settings)


def averaged(*settings: object, odd: bool = False) -> Body:
    return lambda maps: functional.avg_pool2d(maps[..., :-1, :-1] if odd else maps, *settings)


BODIES: dict[str, tuple[Body, str]] = {
    "sum with a factor": (lambda m: torch.add(m, m.relu(), alpha=2), "coreml coreai tflite"),
    "number with a factor": (lambda m: torch.sub(m, 1.5, alpha=2), "coreml coreai tflite"),
    "difference from": (lambda m: torch.rsub(m, m.relu(), alpha=3), "coreml coreai tflite"),
    "number less": (lambda m: torch.rsub(m, 2, alpha=3), "coreml coreai tflite"),
    "instance norm": (normed(affine=True), "coreml coreai"),
    "instance norm alone": (normed(affine=False), "coreml coreai"),
    "smoothed": (resized((5, 7), "bilinear", antialias=True), "coreml coreai tflite"),
    "smoothed, corners": (
        resized((5, 7), "bilinear", antialias=True, align_corners=True),
        "onnx coreml",
    ),
    "smoothed cubic": (resized((5, 7), "bicubic", antialias=True), "coreml executorch"),
    "cubic": (resized((13, 19), "bicubic"), "coreml"),
    "nearest exact": (resized((13, 19), "nearest-exact"), "coreml"),
    "nearest larger": (resized((13, 19), "nearest"), "coreai"),
    "nearest smaller": (resized((5, 7), "nearest"), "coreai"),
    "corners of one pixel": (
        lambda m: m + resized((1, 1), "bilinear", align_corners=True)(m),
        "coreai",
    ),
    "zeros not counted": (averaged(3, 2, 1, False, False), "coreai tflite onnx"),
    "beyond the map": (averaged(3, 2, 1, True, False), "coreai tflite onnx"),
    "ResNet-D": (averaged(2, 2, 0, True, False), "tflite"),
    "ResNet-D, odd": (averaged(2, 2, 0, True, False, odd=True), "coreai tflite"),
    "divisor": (averaged(3, 2, 1, False, True, 2), "onnx coreml tflite"),
    "divisor without zeros": (averaged(2, 2, 0, False, True, 3), "onnx coreml tflite"),
    "crop": (lambda m: functional.pad(m, (-1, 2, 3, -1), value=0.5), "coreml executorch"),
    "largest of whole windows": (
        lambda m: functional.adaptive_max_pool2d(m, (4, 4)),
        "tflite coreai executorch",
    ),
    "largest of windows": (
        lambda m: functional.adaptive_max_pool2d(m, (3, 5)),
        "onnx tflite coreai executorch",
    ),
    "attention": (Attention(), "onnx coreml"),
    "computed bias": (ComputedBias(), "onnx coreml"),
    "one part": (OnePart(), "onnx"),
    "counter": (Counter(read=False), "onnx"),
}


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name, (_, targets) in BODIES.items() for target in targets.split()],
)
def test_file_computes_what_the_module_does(
    name: str, target: str, image_hwc: torch.Tensor, tmp_path: Path
) -> None:
    module = around(BODIES[name][0])
    with torch.no_grad():
        expected = module(normalise(image_hwc)[None])[0]
    graph = capture(module, NORMALISATION, SIZE_HW, "logits")
    path = tmp_path / f"constructs{TARGETS[target].ending}"
    write_target(graph, describe(target, "fp32", "logits"), path)
    found = open_here(path).logits(image_hwc[None].numpy())[0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "body",
    [
        Attention(),
        lambda maps: maps * torch.linspace(0, 1, 12) + torch.ones(1, CHANNELS, 1, 1),
        lambda maps: maps.softmax(1, dtype=torch.float32) * (maps > -9).float(),
    ],
    ids=["attention", "constants", "casts"],
)
def test_coreai_in_float16_computes_constants_and_casts(
    body: Body, image_hwc: torch.Tensor, tmp_path: Path
) -> None:
    graph = capture(around(body), NORMALISATION, SIZE_HW, "logits")
    path = tmp_path / "constructs.aimodel"
    write_target(graph, describe("coreai", "fp16", "logits"), path)
    found = open_here(path).logits(image_hwc[None].numpy())[0]
    np.testing.assert_allclose(found, graph.run(image_hwc).numpy(), rtol=0, atol=0.02)


def test_tflite_leaves_infinities_of_the_graph(image_hwc: torch.Tensor, tmp_path: Path) -> None:
    graph = capture(around(Attention()), NORMALISATION, SIZE_HW, "logits")
    write_target(graph, describe("tflite", "fp32", "logits"), tmp_path / "masked.tflite")
    masks = [value for value in graph.program.state_dict.values() if value.isinf().any()]
    assert len(masks) == 1


def test_capture_of_a_buffer_that_is_read_and_written_names_it() -> None:
    with pytest.raises(CaptureError, match=r"reads buffer body\.calls and writes it"):
        capture(around(Counter(read=True)), NORMALISATION, SIZE_HW, "logits")


def test_logits_before_upsampling_keeps_a_resize_to_less_than_the_picture(
    image_hwc: torch.Tensor,
) -> None:
    class Half(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            small = images[:, :, ::8, ::8].repeat(1, 2, 1, 1)[:, : len(CLASSES)]
            return functional.interpolate(small, scale_factor=4, mode="bilinear")

    graph = capture(Half().eval(), NORMALISATION, SIZE_HW, "logits")
    cut = graph.rewritten([AskedRewrite("logits-before-upsampling")])
    assert torch.equal(cut.run(image_hwc), graph.run(image_hwc))


@pytest.mark.parametrize("target", ["tflite", "executorch"])
def test_operator_without_a_kernel_is_named(target: str, tmp_path: Path) -> None:
    graph = capture(around(lambda m: m.sort(1).values), NORMALISATION, SIZE_HW, "logits")
    path = tmp_path / f"sorted{TARGETS[target].ending}"
    with pytest.raises(ConversionError, match=r"sort"):
        write_target(graph, describe(target, "fp32", "logits"), path)
    assert not path.exists()
