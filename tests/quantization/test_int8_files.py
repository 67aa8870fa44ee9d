"""The canonical int8 graph and its three files: exact folding, equal integers, everything in integer kernels."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge_deeplab.checker.tflite.versions import lint_versions
from edge_deeplab.converters.aten import DEQUANTIZE_CHANNELS
from edge_deeplab.converters.capture import CanonicalGraph, capture
from edge_deeplab.converters.devices.heads import HEAD_FORMS
from edge_deeplab.description import Normalisation
from edge_deeplab.formats.read import read_graph
from edge_deeplab.formats.stored.read import compare_stored, read_stored
from edge_deeplab.models.quantization import (
    IMAGE,
    Quantization,
    activation_quantizer,
    quantize_weight,
)
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.fake_quantize import fake_quantized
from edge_deeplab.quantization.network import Network, gain_after
from edge_deeplab.quantization.placement import place_quantizers
from tests.by_target import ByTarget
from tests.opening import open_here
from tests.tiny_files import check_observed

from .conftest import NORMALISATION, SIZE_HW, write_int8


def stored_weights(graph: CanonicalGraph) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return integers and scales by path of the convolution."""
    state: dict[str, Any] = graph.program.state_dict
    return {
        name.removesuffix(".quantized_weight"): (
            tensor,
            state[name.replace("quantized_weight", "weight_scale")],
        )
        for name, tensor in state.items()
        if name.endswith(".quantized_weight")
    }


def test_integers_that_training_saw_are_those_of_the_graph_for_gains_of_both_signs(
    model: nn.Module, quantization: Quantization, canonical: CanonicalGraph
) -> None:
    network, weights = Network(model), stored_weights(canonical)
    signs = set()
    for node in network.values():
        if network.kind(node) != "conv":
            continue
        path, gain = network.name(node), gain_after(network, node)
        seen = quantize_weight(
            network.layer(node).weight.detach(),  # type: ignore[union-attr, arg-type]
            quantization.weight_scales[path],
        )
        integers, scales = weights[path]
        assert torch.equal(integers, seen * gain.sign().reshape(-1, 1, 1, 1).to(torch.int8)), path
        expected = quantization.weight_scales[path] * gain.abs()
        assert torch.allclose(scales, expected, rtol=1e-6), path
        assert torch.equal(scales, scales.half().float()), path
        signs |= set(gain.sign().tolist())
    assert signs == {-1.0, 1.0}


def test_graph_computes_what_the_fake_quantized_model_computes(
    model: nn.Module, quantization: Quantization, pictures: torch.Tensor, images: list[torch.Tensor]
) -> None:
    graph = capture(model, NORMALISATION, SIZE_HW, "logits", quantization)
    simulated = fake_quantized(model, quantization)
    step = quantization.activations[-1].scale
    with torch.no_grad():
        for picture, image in zip(pictures, images, strict=True):
            error = (graph.run(picture) - simulated(image)[0]).abs()
            assert error.mean() < step
            assert (error > 4 * step).float().mean() < 0.05


def test_no_operator_with_a_weight_is_left_in_float(canonical: CanonicalGraph) -> None:
    convolutions = canonical.program.graph.find_nodes(
        op="call_function", target=torch.ops.aten.conv2d.default
    )
    assert convolutions
    assert all(node.args[1].target is DEQUANTIZE_CHANNELS for node in convolutions)


def test_files_carry_the_same_integers_scales_and_zero_points(
    int8_files: ByTarget[Path], quantization: Quantization
) -> None:
    comparison = compare_stored(list(int8_files.values()))
    assert comparison.differences == ()
    assert comparison.weights == len(quantization.weight_scales)
    assert comparison.activations == sum(len(q.tensors) for q in quantization.activations)


def test_comparison_names_the_first_tensor_that_differs(
    model: nn.Module, quantization: Quantization, int8_files: ByTarget[Path], tmp_path: Path
) -> None:
    scales = dict(quantization.weight_scales)
    scales["classifier"] = scales["classifier"] * 2
    other = Quantization(quantization.activations, scales)
    graph = capture(model, NORMALISATION, SIZE_HW, "classes", other)
    changed = write_int8(graph, "onnx", tmp_path)
    differences = compare_stored([int8_files["coreml"], changed]).differences
    assert differences[0].startswith("classifier__conv2d_weight: scale at 0 (5 of 5 differ) is ")
    assert all(difference.startswith("classifier__conv2d_") for difference in differences)


@pytest.mark.parametrize("target", ["coreml", "onnx", "tflite"])
def test_file_gives_the_class_map_of_the_canonical_graph(
    target: str, int8_files: ByTarget[Path], canonical: CanonicalGraph, pictures: torch.Tensor
) -> None:
    runtime = open_here(int8_files[target])
    expected = np.stack([canonical.run(picture).numpy() for picture in pictures])
    found = runtime.predict(pictures.numpy())
    assert (
        found == expected
    ).mean() > 0.9  # random weights amplify a rounding that falls the other way
    assert len(np.unique(expected)) > 2


def test_onnx_runtime_computes_every_convolution_and_addition_on_integers(
    int8_files: ByTarget[Path], tmp_path: Path
) -> None:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(int8_files["onnx"]), options, ["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert kinds["QLinearConv"] > 10
    assert not {"Conv", "Add", "Concat", "Relu", "Clip"} & set(kinds)
    in_float = kinds["Resize"] + kinds["ReduceMean"]
    assert kinds["DequantizeLinear"] <= in_float + 1, "the class map is taken from integers"


def test_tflite_takes_uint8_and_runs_in_one_xnnpack_partition(int8_files: ByTarget[Path]) -> None:
    report = check_observed(int8_files["tflite"], [])
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.observation.partitions == 1
    left = {v.operator for p in report.profiles for v in p.verdicts if v.verdict != "ok"}
    assert left <= {"QUANTIZE", "ARG_MAX"}
    assert report.warnings == (), "predicted as measured"
    runtime = open_here(int8_files["tflite"])
    assert runtime.description is not None
    assert runtime.description.precision == "int8"


def test_tflite_signature_names_the_uint8_input_and_versions_are_the_lowest(
    int8_files: ByTarget[Path],
) -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = int8_files["tflite"].read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (signature,), (graph,) = model.signatureDefs, model.subgraphs
    assert [entry.tensorIndex for entry in signature.inputs] == [*graph.inputs]
    assert [entry.tensorIndex for entry in signature.outputs] == [*graph.outputs]
    assert graph.tensors[graph.inputs[0]].type == schema.TensorType.UINT8
    assert lint_versions(int8_files["tflite"]) == ()


def test_onnx_integer_operators_are_those_predicted(int8_files: ByTarget[Path]) -> None:
    report = check_observed(int8_files["onnx"], [])
    seen = report.seen_by("onnxruntime")
    assert seen is not None
    assert seen.fusion is not None
    assert seen.fusion.count()["QLinearConv"] > 10
    assert report.warnings == ()


@pytest.fixture(scope="module")
def uneven(model: nn.Module, quantization: Quantization) -> CanonicalGraph:
    """A graph whose normalisation is no integer shift of the pixels, as ImageNet's."""
    imagenet = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    wide = activation_quantizer((IMAGE,), -2.2, 2.7)
    others = [q for q in quantization.activations if q.tensors != (IMAGE,)]
    widened = replace(quantization, activations=(wide, *others))
    return capture(model, imagenet, SIZE_HW, "classes", widened)


def test_normalisation_becomes_one_integer_convolution(
    uneven: CanonicalGraph, pictures: torch.Tensor, tmp_path: Path
) -> None:
    files = {
        target: write_int8(uneven, target, tmp_path) for target in ("onnx", "tflite", "coreml")
    }
    comparison = compare_stored(list(files.values()))
    assert comparison.differences == ()
    report = check_observed(files["tflite"], [])
    seen = report.seen_by("xnnpack")
    assert seen is not None
    assert seen.observation.partitions == 1
    left = {v.operator for p in report.profiles for v in p.verdicts if v.verdict != "ok"}
    assert left <= {"QUANTIZE", "ARG_MAX"}
    expected = np.stack([uneven.run(picture).numpy() for picture in pictures])
    for file in files.values():
        assert (open_here(file).predict(pictures.numpy()) == expected).mean() > 0.9


@pytest.mark.slow  # what a graph keeps in float is looked at every time, in test_kinds
def test_modules_left_in_float_leave_the_others_numbers_the_same(
    model: nn.Module, images: list[torch.Tensor], pictures: torch.Tensor, tmp_path: Path
) -> None:
    network = Network(model)
    placement = place_quantizers(network, ("stem", "decoder.refine.1"))
    partly = calibrate(network, placement, images, NORMALISATION, "min-max")
    graph = capture(model, NORMALISATION, SIZE_HW, "classes", partly)
    files = [write_int8(graph, target, tmp_path) for target in ("onnx", "tflite", "coreml")]
    comparison = compare_stored(files)
    assert comparison.differences == ()
    assert comparison.weights == len(partly.weight_scales)
    expected = np.stack([graph.run(picture).numpy() for picture in pictures])
    for file in files:
        assert (open_here(file).predict(pictures.numpy()) == expected).mean() > 0.9


def test_float_file_has_no_quantization_to_compare(model: nn.Module, tmp_path: Path) -> None:
    from edge_deeplab.errors import ArtifactError

    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(ArtifactError, match="none of"):
        read_stored(tmp_path / "x.bin")
    (tmp_path / "broken.tflite").write_bytes(b"no flatbuffer")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_stored(tmp_path / "broken.tflite")


@pytest.mark.slow
@pytest.mark.parametrize("head", ["fast", "logits"])
def test_files_of_other_heads_carry_the_same_numbers(
    model: nn.Module, quantization: Quantization, head: str, tmp_path: Path
) -> None:
    form = HEAD_FORMS[head]
    graph = capture(model, NORMALISATION, SIZE_HW, form.head, quantization)
    graph = graph.rewritten(form.asked)
    files = [write_int8(graph, target, tmp_path) for target in ("onnx", "tflite", "coreml")]
    assert compare_stored(files).differences == ()


def test_core_ml_file_asks_for_the_oldest_system_that_knows_its_operators(
    int8_files: ByTarget[Path],
) -> None:
    """Specification 8 is that of iOS 17, the first with quantize and dequantize of activations."""
    assert read_graph(int8_files["coreml"]).versions["specification"] == 8
