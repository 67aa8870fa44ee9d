"""Rewrites: what a checkpoint's quantizers make of a graph: operators between floats and integers, integer weights."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    PAD,
    SLICE,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.requantize import requantize
from edge_deeplab.errors import CaptureError
from edge_deeplab.formats.operator_names import WRAPPER, operator_name
from edge_deeplab.models.quantization import (
    ACTIVATION_LEVELS,
    GATE,
    IMAGE,
    WEIGHT_LEVELS,
    ActivationQuantizer,
    Quantization,
    quantize_weight,
    split_call,
    split_function,
)

NORMALISED = "mul"
"""Name of the operator whose result the network takes: the last one of the export wrapper's normalisation."""


def insert_quantizers(program: ExportedProgram, quantization: Quantization) -> ExportedProgram:
    """Put a quantize and dequantize pair behind every quantized tensor, and integer weights under dequantize.

    Requires: operators named after their modules (`name_operators`), parts of tensors as slices; batch norm not yet
        folded.
    Ensures: the values that training's fake quantizers compute, up to float32 rounding; slices of a quantized tensor
        have its integers.

    Raises:
        CaptureError: when the program has no tensor of a quantizer's name.
    """
    editor = ProgramEditor(program)
    operators = [node for node in editor.graph.nodes if node.op == "call_function"]
    for quantizer in quantization.activations:
        for name in quantizer.tensors:
            _insert(editor, find_operator(operators, name), _settings(quantizer))
    _quantize_slices(editor, operators)
    for convolution in editor.calls(CONVOLUTION):
        path = editor.module_path(convolution.args[1])
        if path in quantization.weight_scales:
            _store_integers(editor, convolution, path, quantization.weight_scales[path])
    return editor.finish()


def find_operator(operators: Iterable[fx.Node], tensor: str) -> fx.Node:
    """Return the operator that computes a tensor.

    Args:
        operators: those of a canonical graph.
        tensor: its name, as in `edge_deeplab.models.quantization`.

    Raises:
        CaptureError: when there is none.
    """
    found: list[fx.Node] = []
    called, is_function = split_function(tensor)
    if not is_function and tensor != IMAGE:
        path, call, rest = split_call(tensor)
        found = [n for n in operators if _call_of(n, path) == call and _computes(n, rest)]
    if not found:
        parent, _, function = called.rpartition(".")
        wanted = NORMALISED if tensor == IMAGE else operator_name(parent, function)
        found = [n for n in operators if n.name == wanted]
    if not found:
        raise CaptureError(
            f"the captured graph has no tensor {tensor}, which the checkpoint has a quantizer for; the network "
            "that was quantized was expected; quantize the checkpoint again with this version"
        )
    return found[-1]


def _call_of(node: fx.Node, path: str) -> int | None:
    """Return in which call of a module an operator stands, from 0; None where it stands in none."""
    for key, (where, _) in node.meta.get("nn_module_stack", {}).items():
        if str(where).removeprefix(WRAPPER) == path:
            return int(key.rpartition("@")[2]) if "@" in key else 0  # so torch.export counts
    return None


def _computes(node: fx.Node, rest: str) -> bool:
    """Whether an operator gives what a tensor's name says behind its module: its result, or a gate in it."""
    return not rest or node.name.endswith(GATE)


def _settings(quantizer: ActivationQuantizer) -> tuple[Any, ...]:
    return (quantizer.scale, quantizer.zero_point, *ACTIVATION_LEVELS, torch.int8)


def _quantize_slices(editor: ProgramEditor, operators: Iterable[fx.Node]) -> None:
    """Put behind every slice of a quantized tensor that tensor's quantizer, in place."""
    for node in operators:
        source: Any = node.args[0] if node.target is SLICE else None
        if source is not None and source.target is DEQUANTIZE:
            _insert(editor, node, source.args[1:])


def _insert(editor: ProgramEditor, source: fx.Node, settings: Sequence[Any]) -> None:
    readers = list(source.users)
    dequantized = requantize(editor, source, settings)
    for reader in readers:
        reader.replace_input_with(source, dequantized)


def _store_integers(
    editor: ProgramEditor, convolution: fx.Node, path: str, scales: torch.Tensor
) -> None:
    weight: Any = convolution.args[1]
    integers = quantize_weight(editor.constant(weight), scales)
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    constants = (
        editor.add_constant(f"{path}.quantized_weight", integers),
        editor.add_constant(f"{path}.weight_scale", scales),
        editor.add_constant(f"{path}.weight_zero_point", zeros),
    )
    dequantized = editor.call_before(
        DEQUANTIZE_CHANNELS, *constants, 0, *WEIGHT_LEVELS, torch.int8, like=convolution
    )
    convolution.replace_input_with(weight, dequantized)


def round_biases(program: ExportedProgram) -> ExportedProgram:
    """Round each bias to a whole multiple of input scale times weight scale.

    TFLite and ONNX Runtime store a bias as such an int32. Rounded here, the canonical graph adds the same number, and
    results that lie near a rounding boundary fall to the same side.

    Requires: convolutions of a dequantized tensor, with zeros around it or none, with a dequantized weight (others are
        left alone).
    Ensures: each bias moves by at most half of that product.
    """
    editor = ProgramEditor(program)
    for convolution in editor.calls(CONVOLUTION):
        arguments: Any = convolution.args
        if len(arguments) < 3 or not editor.is_constant(arguments[2]):
            continue
        image, weight, bias, *_ = arguments
        if image.target is PAD:  # zeros, which every scale holds
            image = image.args[0]
        if _is_int8(image, weight):
            step = image.args[1] * editor.constant(weight.args[1]).double()
            whole = torch.round(editor.constant(bias).double() / step) * step
            rounded = editor.add_constant(f"{editor.module_path(bias)}.bias", whole.float())
            convolution.replace_input_with(bias, rounded)
    return editor.finish()


def _is_int8(image: fx.Node, weight: fx.Node) -> bool:
    return image.target is DEQUANTIZE and weight.target is DEQUANTIZE_CHANNELS
