"""Slices and parts of tensors are tensors, not sizes: they have the integers of what they are taken from."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.explain import explain
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.models.convolution import conv_bn_relu
from edge_deeplab.models.quantization import Quantization
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.equalization import equalize
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.targets import TARGETS
from tests.by_target import ByTarget
from tests.converters.conftest import describe
from tests.opening import open_here

from .conftest import CLASSES, NORMALISATION, SIZE_HW, calibrated, prepare, write_int8

Middle = Callable[["Net", torch.Tensor], torch.Tensor]


class Half(nn.Module):
    """The first four channels of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.conv(x)[:, :4]
        return found


class Net(nn.Module):
    """A stem and a classifier, with layers of four and of eight channels for what stands between them.

    Args:
        middle: maps the stem's eight channels to eight, at any size.
    """

    def __init__(self, middle: Middle) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 8, kernel_size=3)
        self.project, self.mix = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.narrow, self.widen = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 8, 1)
        self.focus = nn.Conv2d(12, 8, 1)
        self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU()
        self.classifier = nn.Conv2d(8, len(CLASSES), 1)
        self.first = Half()
        self.middle = middle

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.middle(self, images)
        logits: torch.Tensor = self.classifier(found)
        return functional.interpolate(
            logits, size=images.shape[2:], mode="bilinear", align_corners=False
        )


def channels(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.project(net.stem(images))
    wide = net.widen(x[:, :4] + x[:, 4:])
    return wide + net.mix(x)


def chunks(net: Net, images: torch.Tensor) -> torch.Tensor:
    kept, changed = net.stem(images).chunk(2, dim=1)
    x = net.mix(torch.cat([kept, net.narrow(changed)], 1))
    return x + net.project(x)


def splits(net: Net, images: torch.Tensor) -> torch.Tensor:
    first, second, third = torch.split(net.project(net.stem(images)), [2, 4, 2], 1)
    joined = torch.cat([third, second, first], 1)
    return joined + net.mix(torch.cat([first, functional.relu(second), third], 1))


def crops(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.stem(images)
    return net.mix(x)[:, :, 1:, 1:] + x[:, :, :-1, :-1]


def strides(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.project(net.stem(images)[..., ::2])
    large = (x.shape[-2] * 2, x.size()[3] * 2)
    return functional.interpolate(net.mix(x) + x, large, mode="bilinear", align_corners=False)


def concatenation(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.stem(images)
    part = torch.cat([x, net.narrow(x[:, :4])], 1)[:, 2:10]
    return net.mix(part) + part


def activations(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.project(net.stem(images))
    return net.widen(net.relu(x[:, :4]) + functional.relu(x.narrow(1, 4, 4)))


def pixels(net: Net, images: torch.Tensor) -> torch.Tensor:
    corners = [images[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
    return net.mix(net.focus(torch.cat(corners, 1)))


def whole(net: Net, images: torch.Tensor) -> torch.Tensor:
    x = net.project(net.stem(images))[:, :8]
    height, width = x.size()[2:]
    part = net.narrow(x[:, 4:])
    return (net.mix(x) + torch.cat([part, part], 1)[:, :8])[:, :, : height - 2, : width - 2]


MIDDLES = [channels, chunks, splits, crops, strides, concatenation, activations, pixels, whole]


def prepared(middle: Middle, images: list[torch.Tensor]) -> nn.Module:
    torch.manual_seed(1)
    return prepare(Net(middle), images)  # type: ignore[arg-type]  # it has a classifier, too


@pytest.fixture(params=MIDDLES, ids=lambda middle: middle.__name__)
def network(request: pytest.FixtureRequest, images: list[torch.Tensor]) -> nn.Module:
    return prepared(request.param, images)


def test_graph_computes_what_the_fake_quantized_network_computes(
    network: nn.Module, images: list[torch.Tensor], pictures: torch.Tensor
) -> None:
    quantizers = calibrated(network, images)
    graph = capture(network, NORMALISATION, SIZE_HW, "logits", quantizers)
    simulated = fake_quantized(network, quantizers)
    step = quantizers.activations[-1].scale
    with torch.no_grad():
        for picture, image in zip(pictures, images, strict=True):
            error = (graph.run(picture) - simulated(image)[0]).abs()
            assert error.mean() < step / 8


def test_int8_stays_near_the_float_network(network: nn.Module, images: list[torch.Tensor]) -> None:
    simulated = fake_quantized(network, calibrated(network, images))
    with torch.no_grad():
        expected, found = network(torch.cat(images)), simulated(torch.cat(images))
    assert (found - expected).abs().mean() < 0.1 * expected.std()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_equalization_leaves_what_it_computes(
    share: float, network: nn.Module, images: list[torch.Tensor]
) -> None:
    with torch.no_grad():
        before = network(torch.cat(images))
        equalize(network, images, share)
        assert torch.allclose(network(torch.cat(images)), before, rtol=0, atol=1e-4)


def everything(net: Net, images: torch.Tensor) -> torch.Tensor:
    """Chunks, a ReLU of a slice, crops and a slice of a concatenation, one behind the other."""
    x = chunks(net, images)
    x = net.widen(net.relu(x[:, :4]) + x[:, 4:])
    return torch.cat([x[:, :, :-2, 1:-1], x[:, :, 2:, 1:-1]], 1)[:, 3:11]


@pytest.fixture(scope="module")
def sliced(images: list[torch.Tensor]) -> nn.Module:
    return prepared(everything, images)


@pytest.fixture(scope="module")
def quantizers(sliced: nn.Module, images: list[torch.Tensor]) -> Quantization:
    return calibrated(sliced, images)


@pytest.fixture(scope="module")
def graph(sliced: nn.Module, quantizers: Quantization) -> CanonicalGraph:
    return capture(sliced, NORMALISATION, SIZE_HW, "classes", quantizers)


@pytest.fixture(scope="module")
def files(graph: CanonicalGraph, tmp_path_factory: pytest.TempPathFactory) -> ByTarget[Path]:
    folder = tmp_path_factory.mktemp("slices")
    return ByTarget(lambda target: write_int8(graph, target, folder))


@pytest.mark.parametrize("target", list(TARGETS))
def test_file_of_strided_slices_gives_the_class_map_of_the_graph(
    target: str, images: list[torch.Tensor], pictures: torch.Tensor, tmp_path: Path
) -> None:
    model = prepared(strides, images)
    graph = capture(model, NORMALISATION, SIZE_HW, "classes", calibrated(model, images))
    expected = np.stack([graph.run(picture).numpy() for picture in pictures])
    found = open_here(write_int8(graph, target, tmp_path)).predict(pictures.numpy())
    assert len(np.unique(expected)) > 2
    assert (found == expected).mean() > 0.95


@pytest.mark.parametrize("target", list(TARGETS))
def test_file_gives_the_class_map_of_the_graph(
    target: str, files: ByTarget[Path], graph: CanonicalGraph, pictures: torch.Tensor
) -> None:
    expected = np.stack([graph.run(picture).numpy() for picture in pictures])
    found = open_here(files[target]).predict(pictures.numpy())
    assert len(np.unique(expected)) > 2
    assert (found == expected).mean() > 0.95


def test_files_carry_the_same_integers(files: ByTarget[Path], quantizers: Quantization) -> None:
    comparison = compare_stored(list(files.values()))
    assert comparison.differences == ()
    assert comparison.activations == sum(len(q.tensors) for q in quantizers.activations)


def test_layers_are_followed_into_files_of_int8_and_of_floats(
    files: ByTarget[Path],
    sliced: nn.Module,
    quantizers: Quantization,
    pictures: torch.Tensor,
    tmp_path: Path,
) -> None:
    floats = tmp_path / "sliced-fp32.onnx"
    graph = capture(sliced, NORMALISATION, SIZE_HW, "classes")
    write_target(graph, describe("onnx", "fp32", "classes"), floats)
    for path, quantization in ((files["onnx"], quantizers), (floats, None)):
        checkpoint: Any = SimpleNamespace(
            name="sliced",
            info=SimpleNamespace(normalisation=NORMALISATION),
            quantization=quantization,
            build=lambda: sliced,
        )
        (chain,) = explain(checkpoint, [path], pictures[0].numpy())
        assert chain.error is None
        assert {"narrow", "cat", "widen", "classifier"} <= {one.module for one in chain.layers}
        assert all(one.snr_db["canonical"] > 20 for one in chain.layers)


def test_relus_of_slices_are_trained_from_zero(sliced: nn.Module, quantizers: Quantization) -> None:
    pytest.importorskip("nncf")
    network = Network(sliced)
    quantized = {name for one in quantizers.activations for name in one.tensors}
    assert "relu" in network.activations_alone(quantized)
    assert TrainableNetwork(sliced, quantizers).quantization().weight_scales.keys() == set(
        quantizers.weight_scales
    )


def batch_norm(net: Net, images: torch.Tensor) -> torch.Tensor:
    return net.widen(net.norm(net.project(net.stem(images))[:, :4]))


def module(net: Net, images: torch.Tensor) -> torch.Tensor:
    return net.widen(net.first(net.project(net.stem(images))))


def picked(net: Net, images: torch.Tensor) -> torch.Tensor:
    return net.mix(net.stem(images)[0][None])


def test_batch_norm_of_a_slice_is_refused(images: list[torch.Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"norm \(BatchNorm2d\) has no int8 form"):
        place_quantizers(Network(prepared(batch_norm, images)))


@pytest.mark.parametrize(
    ("middle", "kept"), [(batch_norm, "norm"), (module, "first"), (module, "project")]
)
def test_a_module_left_in_float_may_read_write_or_be_a_slice(
    middle: Middle, kept: str, images: list[torch.Tensor], pictures: torch.Tensor
) -> None:
    model = prepared(middle, images)
    traced = Network(model)
    partly = calibrate(traced, place_quantizers(traced, (kept,)), images, NORMALISATION, "min-max")
    graph = capture(model, NORMALISATION, SIZE_HW, "logits", partly)
    with torch.no_grad():
        error = graph.run(pictures[0]) - fake_quantized(model, partly)(images[0])[0]
    assert error.abs().mean() < partly.activations[-1].scale / 2


def test_an_index_that_drops_an_axis_is_refused_by_name(images: list[torch.Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"slice \(getitem\) and 1 more operators have no int8"):
        place_quantizers(Network(Net(picked)))


def test_two_tensors_of_one_name_are_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.add_module("conv@1", nn.Conv2d(3, 3, 1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.conv(self.get_submodule("conv@1")(self.conv(images)))
            return found

    with pytest.raises(ConfigError, match="two tensors of the network would both be called conv@1"):
        Network(Twice())
