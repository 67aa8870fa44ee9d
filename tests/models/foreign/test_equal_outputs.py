"""Other people's networks under our names compute what they compute in their own packages."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.foreign.reading import SOURCES, ForeignWeights, fit, tell_of
from edge_deeplab.models.spec import ModelSpec, read_spec
from tests.models.foreign.mmseg_network import mmseg_network
from tests.models.foreign.networks import (
    Theirs,
    hugging_face_network,
    smp_network,
    torchvision_network,
    vainf_network,
)

SIZE_HW = (64, 96)
CLOSE = 1e-4

NETWORKS: dict[str, Callable[[], Theirs]] = {
    "smp DeepLabV3Plus resnet50": partial(smp_network, "DeepLabV3Plus", "resnet50"),
    "smp DeepLabV3Plus resnet50, stride 8": partial(
        smp_network, "DeepLabV3Plus", "resnet50", encoder_output_stride=8
    ),
    "smp DeepLabV3Plus resnet101": partial(smp_network, "DeepLabV3Plus", "resnet101"),
    "smp DeepLabV3Plus tu-mobilenetv2_100": partial(
        smp_network, "DeepLabV3Plus", "tu-mobilenetv2_100"
    ),
    "smp DeepLabV3Plus tu-efficientnet_lite0": partial(
        smp_network, "DeepLabV3Plus", "tu-efficientnet_lite0"
    ),
    "smp DeepLabV3 resnet50": partial(smp_network, "DeepLabV3", "resnet50"),
    "torchvision resnet50": partial(torchvision_network, "deeplabv3_resnet50"),
    "torchvision resnet101": partial(torchvision_network, "deeplabv3_resnet101"),
    "torchvision mobilenet": partial(torchvision_network, "deeplabv3_mobilenet_v3_large"),
    "hf stride 8": partial(hugging_face_network, output_stride=8),
    "hf stride 16, no padding of TensorFlow's": partial(
        hugging_face_network, output_stride=16, tf_padding=False
    ),
    "vainf stride 16": partial(vainf_network, 16),
    "vainf stride 8": partial(vainf_network, 8),
    "mmseg": mmseg_network,
}

MATTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "first_dilated": ("smp DeepLabV3Plus resnet50", {"first_dilated": False}),
    "first_dilated of timm's": ("smp DeepLabV3Plus tu-mobilenetv2_100", {"first_dilated": True}),
    "align_corners": ("smp DeepLabV3Plus tu-mobilenetv2_100", {"align_corners": False}),
    "rates": ("smp DeepLabV3Plus tu-mobilenetv2_100", {"aspp": {"rates": (1, 2, 3)}}),
    "output_stride": ("smp DeepLabV3Plus tu-mobilenetv2_100", {"output_stride": 8}),
    "batch_norm_eps": ("torchvision mobilenet", {"batch_norm_eps": 1e-5}),
    "same_padding": ("hf stride 8", {"same_padding": False}),
    "low_first": ("vainf stride 16", {"decoder": {"low_first": False}}),
}
"""Facts of a spec that no shape of a tensor shows, each with a network that has the other value."""


def import_of(theirs: Theirs) -> ForeignWeights:
    source = SOURCES[theirs.source]
    path = Path("theirs.pth")
    return fit(theirs.network.state_dict(), source, tell_of(source, theirs.says), path)


def largest_difference(theirs: Theirs, spec: ModelSpec, tensors: dict[str, torch.Tensor]) -> float:
    """Of the scores, in float64, and in units of their standard deviation where that is below 1."""
    images = torch.randn(1, 3, *SIZE_HW, generator=torch.Generator().manual_seed(0)).double()
    ours = build_model(spec, len(tensors["classifier.bias"])).eval()
    ours.load_state_dict(tensors)
    ours.double()
    theirs.network.double()
    with torch.inference_mode():
        expected = theirs.scores(images)
        return float((expected - ours(images)).abs().max() / expected.std().clamp(max=1))


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_are_those_of_their_package(name: str) -> None:
    torch.manual_seed(1)
    theirs = NETWORKS[name]()
    imported = import_of(theirs)
    assert largest_difference(theirs, imported.told.spec, imported.tensors) <= CLOSE


@pytest.mark.parametrize("fact", MATTERS)
def test_scores_differ_where_a_spec_says_otherwise(fact: str) -> None:
    torch.manual_seed(1)
    name, change = MATTERS[fact]
    theirs = NETWORKS[name]()
    imported = import_of(theirs)
    document = asdict(imported.told.spec)
    for field, value in change.items():
        document[field] = {**document[field], **value} if isinstance(value, dict) else value
    spec = read_spec(document)
    assert spec != imported.told.spec
    assert largest_difference(theirs, spec, imported.tensors) > 10 * CLOSE
