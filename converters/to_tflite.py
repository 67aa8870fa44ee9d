"""Canonical graph to TFLite, through litert-torch."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.adapters import (
    argmax_over_last,
    give_channels_last,
    label_by_name,
    pad_zeros_before_max_pool,
    take_uint8_nhwc,
)
from edge_deeplab.converters.aten import ACTIVATIONS, DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.capture import INPUT_NAME, CanonicalGraph
from edge_deeplab.converters.noise import calling
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.quantized_adapters import (
    dequantize_for_each_reader,
    quantize_weights_in_graph,
    reads_pixels,
    take_normalised_nhwc,
)
from edge_deeplab.converters.tflite_file import TFLiteFile
from edge_deeplab.description import METADATA_KEY, Description
from edge_deeplab.errors import require


def write_tflite(graph: CanonicalGraph, description: Description, path: Path) -> None:
    """Write a `.tflite` file.

    Input "image": (1, H, W, 3) uint8 RGB. Output "classes": (1, H, W) int32, or "logits": (1, H, W,
    K) float32. The graph is channels-last throughout: no transpose is left.

    Args:
        graph: the canonical graph.
        description: embedded in the file; its precision is "fp32", "fp16" (weights stored in
            float16) or, of a quantized graph, "int8".
        path: file to write.

    Raises:
        MissingDependencyError: without litert-torch.
        ConversionError: when it fails.
    """
    with calling("litert-torch", "TFLite"):
        pixels = reads_pixels(graph.program)
        file = TFLiteFile(_convert(graph, pixels=pixels))
    last = _last_operator(graph.program)
    file.name_tensors(input_name=INPUT_NAME, output_name=graph.head, last_operator=last)
    if pixels:
        file.take_uint8_input()
    else:
        file.dequantize_input()
    file.sample_nearest_as_torch()
    if graph.is_quantized:
        file.requantize_relus()
    if description.precision == "fp16":
        file.store_weights_as_float16()
    file.add_metadata(METADATA_KEY, description.to_json())
    path.write_bytes(file.to_bytes())


def _convert(graph: CanonicalGraph, *, pixels: bool) -> bytes:
    litert_torch: Any = require("litert_torch", package="litert-torch", extra="tflite")
    program = (take_normalised_nhwc if pixels else take_uint8_nhwc)(graph.program)
    program = give_channels_last(program) if graph.head == "logits" else argmax_over_last(program)
    program = _with_infinities_of_its_own(pad_zeros_before_max_pool(program))
    settings: dict[str, Any] = {}
    if graph.is_quantized:
        program = dequantize_for_each_reader(quantize_weights_in_graph(program))
        settings["quant_config"] = _says_quantized()
    image = torch.zeros(1, *graph.size_hw, 3, dtype=torch.float32 if pixels else torch.uint8)
    model = litert_torch.convert(
        label_by_name(program).module(), sample_kwargs={INPUT_NAME: image}, **settings
    )
    content: bytes = model.model_content()
    return content


def _with_infinities_of_its_own(program: ExportedProgram) -> ExportedProgram:
    """Return a program whose infinite constants are copies: litert-torch writes the largest float over them."""
    editor = ProgramEditor(program)
    for constant in editor.constants():
        value = editor.constant(constant)
        if value.is_floating_point() and value.isinf().any():
            editor.replace_constant(constant, value.clone())
    return editor.finish()


_PASSING = (QUANTIZE, DEQUANTIZE, *ACTIVATIONS)
"""What becomes one with the operator before it."""


def _last_operator(program: ExportedProgram) -> str:
    """Return the name of the operator that computes what a program gives."""
    (returned,) = program.graph.output_node().args
    node: Any = returned[0]
    while node.target in _PASSING:
        node = node.args[0]
    return str(node.name)


def _says_quantized() -> Any:
    """Return the setting that makes litert-torch lower quantize and dequantize operators to integer kernels."""
    quantizers = import_module("litert_torch.quantize.pt2e_quantizer")
    configs = import_module("litert_torch.quantize.quant_config")
    scheme = quantizers.get_symmetric_quantization_config(is_per_channel=True)
    return configs.QuantConfig(pt2e_quantizer=quantizers.PT2EQuantizer().set_global(scheme))
