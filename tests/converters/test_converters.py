"""What every converter promises, for every target, precision and head."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.description import Head
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes.observers.xnnpack import measure_xnnpack
from tests.converters.conftest import CLASSES, SIZE_HW, describe
from tests.opening import open_here

Exported = Callable[[str, str, Head], Path]
LOGITS_TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}
"""Largest difference to torch, relative to the largest logit."""
AGREEMENT = {"fp32": 0.999, "fp16": 0.98}
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
class TestEveryConverter:
    def test_logits_match_the_model_in_torch(
        self,
        exported: Exported,
        target: str,
        precision: str,
        image_hwc: torch.Tensor,
        expected_logits: torch.Tensor,
    ) -> None:
        found = open_here(exported(target, precision, "logits")).logits(image_hwc[None].numpy())[0]
        expected = expected_logits.numpy()
        assert found.shape == expected.shape
        assert (
            np.abs(found - expected).max() <= LOGITS_TOLERANCE[precision] * np.abs(expected).max()
        )

    def test_classes_match_the_model_in_torch(
        self,
        exported: Exported,
        target: str,
        precision: str,
        image_hwc: torch.Tensor,
        expected_logits: torch.Tensor,
    ) -> None:
        found = open_here(exported(target, precision, "classes")).predict(image_hwc[None].numpy())[
            0
        ]
        expected = expected_logits.argmax(0).numpy()
        assert len(np.unique(expected)) == len(CLASSES)
        assert (found == expected).mean() >= AGREEMENT[precision]

    def test_description_comes_back_as_it_was_given(
        self, exported: Exported, target: str, precision: str
    ) -> None:
        runtime = open_here(exported(target, precision, "classes"))
        assert runtime.description == describe(target, precision, "classes")
        assert runtime.size_hw == SIZE_HW

    def test_every_convolution_leads_back_to_a_module(
        self, exported: Exported, model: nn.Module, target: str, precision: str
    ) -> None:
        graph = read_graph(exported(target, precision, "classes"))
        found = {operator.module for operator in graph.operators if operator.convolution}
        layers = {name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
        assert found == layers

    def test_file_holds_no_path_of_this_machine(
        self, exported: Exported, target: str, precision: str
    ) -> None:
        path = exported(target, precision, "classes")
        files = [f for f in path.rglob("*") if f.is_file()] if path.is_dir() else [path]
        assert files
        for file in files:
            content = file.read_bytes()
            assert str(REPOSITORY).encode() not in content
            assert b"site-packages" not in content

    def test_dilated_depthwise_convolutions_stay_native(
        self, exported: Exported, target: str, precision: str
    ) -> None:
        graph = read_graph(exported(target, precision, "classes"))
        dilated = [c for o in graph.operators if (c := o.convolution) and c.dilated]
        assert sorted(c.rate_hw for c in dilated) == [(2, 2), (4, 4), (6, 6)]
        assert all(c.depthwise and c.form == "native" for c in dilated)


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
def test_fp16_file_stores_weights_in_half_the_bytes(exported: Exported, target: str) -> None:
    full, half = (read_graph(exported(target, p, "classes")) for p in ("fp32", "fp16"))
    types = [
        {o.inputs[1].dtype for o in graph.operators if o.convolution and o.inputs[1]}
        for graph in (full, half)
    ]
    assert types == [{"float32"}, {"float16"}]
    assert content_bytes(exported(target, "fp16", "classes")) < content_bytes(
        exported(target, "fp32", "classes")
    )


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tflite_with_logits_is_one_xnnpack_partition(exported: Exported, precision: str) -> None:
    measured = measure_xnnpack(exported("tflite", precision, "logits"))
    assert measured.refusal is None
    assert measured.partitions == 1
    assert measured.left == {}


def test_tflite_with_classes_leaves_only_the_argmax_to_the_interpreter(exported: Exported) -> None:
    path = exported("tflite", "fp32", "classes")
    measured = measure_xnnpack(path)
    left_out = [read_graph(path).operators[index].type for index in measured.left or ()]
    assert measured.partitions == 1
    assert left_out == ["ARG_MAX"]


def test_canonical_graph_gives_classes_and_logits_of_the_model(
    canonical: Callable[[Head], CanonicalGraph],
    image_hwc: torch.Tensor,
    expected_logits: torch.Tensor,
) -> None:
    torch.testing.assert_close(
        canonical("logits").run(image_hwc), expected_logits, rtol=0, atol=2e-5
    )
    classes = canonical("classes").run(image_hwc)
    assert classes.dtype == torch.int32
    assert (classes == expected_logits.argmax(0)).float().mean() > 0.999
