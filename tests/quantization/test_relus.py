"""A ReLU of a sum that others read too: an int8 operator of its own, which XNNPACK takes only in another form."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import capture
from edge_deeplab.formats.read import read_graph
from edge_deeplab.models.quantization import ACTIVATION_LEVELS, ActivationQuantizer
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers
from edge_deeplab.quantization.trainable import TrainableNetwork
from edge_deeplab.runtimes.open import open_artifact
from tests.tiny_files import check_observed

from .conftest import CLASSES, NORMALISATION, SIZE_HW, write_int8


class BehindSum(nn.Module):
    """An activation of a sum that others read too."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1) for _ in range(2)])
        self.activation = activation
        self.classifier = nn.Conv2d(8, len(CLASSES), kernel_size=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        total = self.convs[0](images) + self.convs[1](images)
        logits: torch.Tensor = self.classifier(self.activation(total) + total)
        return logits


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "becomes"),
    [
        (nn.ReLU(), 0.0625, -128, "QUANTIZE"),
        (nn.ReLU(), 0.0625, -127, "RELU"),
        (nn.ReLU6(), 0.0234375, -128, "QUANTIZE"),
        (nn.ReLU6(), 0.0625, -128, "RELU6"),
    ],
)
def test_relu_behind_a_sum_is_a_requantization_where_that_saturates_as_it_does(
    activation: nn.Module,
    scale: float,
    zero_point: int,
    becomes: str,
    images: list[torch.Tensor],
    pictures: torch.Tensor,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    model = BehindSum(activation).eval()
    nn.init.normal_(model.convs[0].weight, std=1.0)
    traced = Network(model)
    found = calibrate(traced, place_quantizers(traced), images, NORMALISATION, "min-max")
    asked = ActivationQuantizer(("activation",), scale, zero_point)
    chosen = [asked if q.tensors == asked.tensors else q for q in found.activations]
    graph = capture(
        model, NORMALISATION, SIZE_HW, "classes", replace(found, activations=tuple(chosen))
    )
    path = write_int8(graph, "tflite", tmp_path)
    kinds = [o.type for o in read_graph(path).operators if o.module == "activation"]
    assert kinds == [becomes]
    seen = check_observed(path, []).seen_by("xnnpack")
    assert seen is not None
    assert seen.observation.partitions == (1 if becomes == "QUANTIZE" else 2)
    expected = np.stack([graph.run(picture).numpy() for picture in pictures])
    assert (open_artifact(path).predict(pictures.numpy()) == expected).mean() > 0.99


def test_training_leaves_the_range_of_a_relu_behind_a_sum_at_0(images: list[torch.Tensor]) -> None:
    model = BehindSum(nn.ReLU()).eval()
    traced = Network(model)
    start = calibrate(traced, place_quantizers(traced), images, NORMALISATION, "min-max")
    trainable = TrainableNetwork(model, start)
    trainable.module(torch.cat(images)).square().sum().backward()
    with torch.no_grad():
        for parameter in trainable.module.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad.sign()
    after = {q.tensors[0]: q for q in trainable.quantization().activations}
    before = {q.tensors[0]: q for q in start.activations}
    assert after["activation"].zero_point == before["activation"].zero_point == ACTIVATION_LEVELS[0]
    assert after["activation"].scale != before["activation"].scale
    assert after["add"].zero_point != before["add"].zero_point
