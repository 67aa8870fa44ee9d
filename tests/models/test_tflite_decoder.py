"""A decoder for an imported graph: what stays, what it reads, and what has no place for one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import Checkpoint, CheckpointInfo
from edge_deeplab.models.operator_graph import CLASSIFIER, GraphSpec, build_graph
from edge_deeplab.models.tflite.decoder import with_decoder

SIZE_HW = (65, 97)
CLASSES = tuple(ClassInfo(name, (i, i, i)) for i, name in enumerate(("road", "sky", "car")))


def conv(name: str, source: str, channels: int, stride: int = 1) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "conv",
        "inputs": [source],
        "channels": channels,
        "kernel_hw": [3, 3],
        "stride_hw": [stride, stride],
        "rate_hw": [1, 1],
        "groups": 1,
        "edges": [1, 1, 1, 1],
    }


def network_of(last_stride: int) -> Checkpoint:
    """Return a DeepLab without a decoder: a block of stride 4, its expansion, features, scores."""
    operators = [
        conv("conv_0", "image", 4, 2),
        conv("conv_1", "conv_0", 6, 2),
        conv("conv_2", "conv_1", 24),
        {"name": "relu6_3", "kind": "relu6", "inputs": ["conv_2"]},
        conv("conv_4", "relu6_3", 16, last_stride),
        conv(CLASSIFIER, "conv_4", len(CLASSES)),
        {
            "name": "resize_6",
            "kind": "resize",
            "inputs": [CLASSIFIER, "image"],
            "align_corners": True,
        },
    ]
    spec = GraphSpec(operators)
    torch.manual_seed(0)
    tensors = build_graph(spec, len(CLASSES)).state_dict()
    normalisation = Normalisation((127.5,) * 3, (127.5,) * 3)
    ranges = {"backbone.conv_4": (-1.0, 1.0), CLASSIFIER: (-2.0, 2.0)}
    info = CheckpointInfo(spec, CLASSES, None, normalisation, SIZE_HW, ranges=ranges)
    return Checkpoint(info, tensors, Path("cities.tflite"), "0" * 64)


@pytest.fixture
def made() -> Checkpoint:
    return with_decoder(network_of(2))


def test_network_with_a_decoder_scores_every_pixel(made: Checkpoint) -> None:
    with torch.no_grad():
        scores = made.build()(torch.randn(1, 3, 33, 49))
    assert scores.shape == (1, len(CLASSES), 33, 49)
    assert scores.std() > 0


def test_decoder_reads_the_block_of_stride_4_not_its_expansion(made: Checkpoint) -> None:
    spec = made.info.spec
    assert isinstance(spec, GraphSpec)
    by_name = {entry["name"]: entry for entry in spec.operators}
    (joined,) = [entry for entry in spec.operators if entry["kind"] == "cat"]
    enlarged, reduced = (by_name[name] for name in joined["inputs"])
    assert enlarged["inputs"] == ["conv_4", "conv_1"]
    (reduction,) = by_name[reduced["inputs"][0]]["inputs"]
    assert (reduction, by_name[reduced["inputs"][0]]["channels"]) == ("conv_1", 48)
    kernels = [e["kernel_hw"] for e in spec.operators if e["kind"] == "conv" and e["groups"] > 1]
    assert kernels == [[3, 3], [3, 3]], "two separable 3x3s"
    assert spec.operators[-1]["inputs"] == [CLASSIFIER, "image"]


def test_what_stands_before_it_keeps_weights_and_ranges(made: Checkpoint) -> None:
    before = network_of(2)
    kept = {name for name in before.tensors if not name.startswith(CLASSIFIER)}
    assert all(torch.equal(made.tensors[name], before.tensors[name]) for name in kept)
    assert made.info.ranges == {"backbone.conv_4": (-1.0, 1.0)}
    assert {name: tensor.shape for name, tensor in made.build().state_dict().items()} == {
        name: tensor.shape for name, tensor in made.tensors.items()
    }


def test_same_padding_becomes_that_of_the_size_that_the_file_was_made_for() -> None:
    before = network_of(2)
    spec = before.info.spec
    assert isinstance(spec, GraphSpec)
    tensorflows = GraphSpec(
        [{**o, "edges": "same"} if o["kind"] == "conv" else o for o in spec.operators]
    )
    here = replace(before, info=replace(before.info, spec=tensorflows))
    made = with_decoder(here).info.spec
    assert isinstance(made, GraphSpec)
    kept = {
        e["name"]: e["edges"] for e in made.operators if e["name"] in ("conv_0", "conv_1", "conv_4")
    }
    assert {*map(tuple, kept.values())} == {(1, 1, 1, 1)}, "odd sides, so as much before as behind"
    even = replace(here, info=replace(here.info, size_hw=(64, 96)))
    made = with_decoder(even).info.spec
    assert isinstance(made, GraphSpec)
    assert {e["name"]: e["edges"] for e in made.operators if e["name"] in kept} == {
        "conv_0": "same",
        "conv_1": "same",
        "conv_4": "same",
    }


def test_network_whose_features_are_as_fine_has_no_place_for_one() -> None:
    with pytest.raises(ConfigError, match=r"cities.*output stride 8 or more"):
        with_decoder(network_of(1))
