"""What a target wants of its input and output, put around a copy of the canonical graph.

The canonical graph stays shared: (1, 3, H, W) float32 RGB in, channels-first out. ONNX and TFLite
files take the picture as a camera gives it, (1, H, W, 3) uint8; Core ML's image input is the
canonical one already.
"""

from typing import Any

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ARGMAX,
    CAST,
    DEQUANTIZE,
    HARD_TANH,
    PAD,
    PERMUTE,
    QUANTIZE,
    RELU,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.requantize import requantize


def take_uint8_nhwc(program: ExportedProgram) -> ExportedProgram:
    """Let the program take (1, H, W, 3) uint8 instead of (1, 3, H, W) float32.

    Requires: one input, (1, 3, H, W) float32.
    Ensures: the same values from the same pixels, bit for bit; a cast that the graph begins with reads them itself.
    """
    editor = ProgramEditor(program)
    image = source = editor.input()
    _, channels, height, width = image.meta["val"].shape
    dtype: Any = torch.float32
    if [reader.target for reader in image.users] == [CAST]:
        (source,) = image.users
        dtype = source.kwargs["dtype"]
    readers = list(source.users)
    editor.replace_input(torch.zeros(1, height, width, channels, dtype=torch.uint8))
    pixels = editor.call(CAST, image, like=image, dtype=dtype)
    planes = editor.call(PERMUTE, pixels, [0, 3, 1, 2], like=pixels)
    for reader in readers:
        reader.replace_input_with(source, planes)
    return editor.finish()


def give_channels_last(program: ExportedProgram) -> ExportedProgram:
    """Let the program give its (1, K, H, W) output as (1, H, W, K).

    Requires: one output, four-dimensional.
    Ensures: the same values.
    """
    editor = ProgramEditor(program)
    output = editor.output()
    turned = editor.call(PERMUTE, output, [0, 2, 3, 1], like=output)
    editor.graph.output_node().replace_input_with(output, turned)
    return editor.finish()


def argmax_over_last(program: ExportedProgram) -> ExportedProgram:
    """Take the class map over the last axis of channels-last logits instead of over axis 1.

    Requires: argmax over axis 1 of a four-dimensional map (others are left alone).
    Ensures: the same ids; the transpose that a channels-last target puts before its ARG_MAX
        cancels.
    """
    editor = ProgramEditor(program)
    for argmax in editor.calls(ARGMAX):
        arguments: Any = argmax.args
        logits, axis, *rest = arguments
        if axis != 1:
            continue
        turned = editor.call(PERMUTE, logits, [0, 2, 3, 1], like=logits)
        argmax.args = (turned, 3, *rest)
    return editor.finish()


def pad_zeros_before_max_pool(program: ExportedProgram) -> ExportedProgram:
    """Pad with zeros before a max pooling of a ReLU's output instead of inside of it.

    TFLite's pooling pads only its own way, so litert-torch pads with minus infinity first, in an
    operator that XNNPACK does not take. No value is below zero here, so zeros do as well, and
    XNNPACK takes those.

    Requires: a padded max pooling, no rate, sizes rounded down, that reads a ReLU, in int8 too (others are left
        alone).
    Ensures: the same values; of integers the same integers.
    """
    editor = ProgramEditor(program)
    for pool in editor.calls(torch.ops.aten.max_pool2d.default):
        arguments: Any = pool.args
        source, window, *settings = arguments
        if len(settings) == 2 and _is_never_negative(source):
            stride, (top, left) = settings
            padded = editor.call(PAD, source, [left, left, top, top], 0.0, like=source)
            if source.target is DEQUANTIZE:
                padded = requantize(editor, padded, source.args[1:])
            pool.args = (padded, window, stride)
    return editor.finish()


def _is_never_negative(value: Any) -> bool:
    """Whether an operator says that no value it gives is below zero."""
    if value.target is DEQUANTIZE:
        stored, _, zero_point, least = value.args[:4]
        return bool(zero_point == least) or (
            stored.target is QUANTIZE and _is_never_negative(stored.args[0])
        )
    return value.target is RELU or (value.target is HARD_TANH and value.args[1:2] == (0.0,))


def label_by_name(program: ExportedProgram) -> ExportedProgram:
    """Make every operator's name its label: exporters number operators anew, but keep their module stack.

    Requires: nothing.
    Ensures: the same graph; each `nn_module_stack` holds the operator's name alone.
    """
    editor = ProgramEditor(program)
    for node in editor.graph.nodes:
        if node.op == "call_function":
            node.meta["nn_module_stack"] = {node.name: ("", node.name)}
    return editor.finish()
