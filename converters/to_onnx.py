"""Canonical graph to ONNX, through torch's own exporter."""

from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters import onnx_file
from edge_deeplab.converters.adapters import label_by_name, take_uint8_nhwc
from edge_deeplab.converters.capture import INPUT_NAME, CanonicalGraph
from edge_deeplab.converters.float16 import convert_to_float16
from edge_deeplab.converters.int8_weights import store_weights_in_int8
from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.quantized_adapters import (
    reads_pixels,
    take_uint8_pixels,
    unsigned_activations,
)
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.errors import require

OPSET = 18
"""Every ONNX Runtime since 1.14 (2023) runs it, the mobile and web builds included."""


def write_onnx(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write an `.onnx` file.

    Input "image": (1, H, W, 3) uint8 RGB. Output "classes": (1, H, W) int32, or "logits": (1, K, H,
    W) float32.

    Args:
        graph: the canonical graph.
        description: embedded in the file; its precision is "fp32", "fp16", "w8" (weights alone in int8) or, of a
            quantized graph, "int8" (QDQ form: weights as int8, activations as uint8, which ONNX Runtime's x86 kernels
            want).
        path: file to write.

    Raises:
        MissingDependencyError: without onnx, onnxscript, onnxsim or onnxruntime.
        ConversionError: when the exporter fails.
    """
    for package in ("onnx", "onnxscript", "onnxsim", "onnxruntime"):
        require(package, package=package, extra="onnx")
    with calling("torch.onnx", "ONNX"):
        model = _convert(graph)
        onnx_file.name_after_operators(model)
    if not graph.is_quantized:  # of int8 weights onnxsim would store the floats that they stand for
        model = onnx_file.simplify_if_equal(model)
    if description.precision == "fp16":
        convert_to_float16(model)
    if description.precision == "w8":
        store_weights_in_int8(model)
    onnx_file.unshare_weights(model)
    onnx_file.strip_exporter_notes(model)
    onnx_file.add_metadata(model, METADATA_KEY, description.to_json())
    path.write_bytes(model.SerializeToString())


def _adapt(graph: CanonicalGraph) -> ExportedProgram:
    if not graph.is_quantized:
        return take_uint8_nhwc(graph.program)
    program = unsigned_activations(graph.program)
    return take_uint8_pixels(program) if reads_pixels(graph.program) else take_uint8_nhwc(program)


def _convert(graph: CanonicalGraph) -> Any:
    exported = torch.onnx.export(
        label_by_name(_adapt(graph)),
        dynamo=True,
        input_names=[INPUT_NAME],
        output_names=[graph.head],
        opset_version=OPSET,
        verbose=False,
    )
    assert exported is not None
    return exported.model_proto
