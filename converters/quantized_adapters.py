"""What each target wants of integers, put around a copy of a quantized canonical graph.

The canonical graph stores activations as int8, weights as int8 constants under a dequantize operator, and normalises
the picture in float. Every change here keeps each stored integer, or moves it by 128 together with its zero point.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    PAD,
    PERMUTE,
    QUANTIZE,
    QUANTIZE_CHANNELS,
)
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.normalise_in_int8 import (
    PIXEL_ZERO_POINT,
    normalisation_of,
    reads_shifted_pixels,
)

_SHIFT = 128


def is_quantized(program: ExportedProgram) -> bool:
    """Whether a program has quantize operators."""
    return any(node.target is QUANTIZE for node in program.graph.nodes)


def take_normalised_nhwc(program: ExportedProgram) -> ExportedProgram:
    """Let the program take the normalised picture that its first quantizer reads, and drop the normalisation.

    Requires: `reads_pixels(program)`, so that the integers of what it takes are the pixels less 128.
    Ensures: takes (1, H, W, 3) float32, already normalised.
    """
    editor = ProgramEditor(program)
    image, quantize = editor.input(), editor.calls(QUANTIZE)[0]
    _, channels, height, width = image.meta["val"].shape
    editor.replace_input(torch.zeros(1, height, width, channels))
    planes = editor.call(PERMUTE, image, [0, 3, 1, 2], like=image)
    quantize.args = (planes, *quantize.args[1:])
    return editor.finish()


def reads_pixels(program: ExportedProgram) -> bool:
    """Whether the integers of the picture's quantizer are its pixels less 128, so that it needs no normalisation."""
    editor = ProgramEditor(program)
    readers = list(editor.input().users)
    if len(readers) == 1 and readers[0].target is QUANTIZE:
        arguments: Any = readers[0].args
        return bool(arguments[1:3] == (1.0, PIXEL_ZERO_POINT))
    chain = normalisation_of(editor)
    return chain is not None and reads_shifted_pixels(editor, *chain)


def take_uint8_pixels(program: ExportedProgram) -> ExportedProgram:
    """Let the program take (1, H, W, 3) uint8 pixels as the integers of its picture's quantizer.

    Requires: `reads_pixels(program)`; unsigned activations.
    Ensures: the same values from the same pixels, bit for bit.
    """
    editor = ProgramEditor(program)
    quantize = editor.calls(QUANTIZE)[0]
    (dequantize,) = quantize.users
    image = editor.input()
    _, channels, height, width = image.meta["val"].shape
    editor.replace_input(torch.zeros(1, height, width, channels, dtype=torch.uint8))
    planes = editor.call(PERMUTE, image, [0, 3, 1, 2], like=image)
    dequantize.replace_input_with(quantize, planes)
    return editor.finish()


def unsigned_activations(program: ExportedProgram) -> ExportedProgram:
    """Store activations as uint8: ONNX Runtime's fast kernels on x86 take those.

    Requires: per-tensor quantize and dequantize in int8.
    Ensures: every integer and zero point is 128 more; the same values.
    """
    editor = ProgramEditor(program)
    for target in (QUANTIZE, DEQUANTIZE):
        for node in editor.calls(target):
            arguments: Any = node.args
            source, scale, zero_point, low, high, _ = arguments
            shifted = [level + _SHIFT for level in (zero_point, low, high)]
            node.args = (source, scale, *shifted, torch.uint8)
    return editor.finish()


def quantize_weights_in_graph(program: ExportedProgram) -> ExportedProgram:
    """Turn weights that are stored as integers into floats through quantize and dequantize, which litert-torch wants.

    Requires: weights as int8 constants under a per-channel dequantize operator.
    Ensures: the same values; the quantize operator gives the same integers back.
    """
    editor = ProgramEditor(program)
    for dequantize in editor.calls(DEQUANTIZE_CHANNELS):
        arguments: Any = dequantize.args
        integers, scales, zero_points, *settings = arguments
        values = editor.constant(integers).float() * editor.constant(scales).reshape(-1, 1, 1, 1)
        weight = editor.add_constant(f"{editor.module_path(integers)}.float_weight", values)
        quantized = editor.call_before(
            QUANTIZE_CHANNELS, weight, scales, zero_points, *settings, like=dequantize
        )
        dequantize.replace_input_with(integers, quantized)
    return editor.finish()


def dequantize_for_each_reader(program: ExportedProgram) -> ExportedProgram:
    """Give every reader of a dequantized tensor that is also moved a dequantize operator of its own.

    litert-torch 0.10 marks a dequantize operator as channels-first once it has put a transpose behind it for one
    reader, and then leaves out the transposes of the others, whose shapes or values come out wrong. One
    that a pad reads beside others it refuses.

    Requires: nothing; tensors that neither permute nor pad reads are left alone.
    Ensures: the same values.
    """
    return _dequantize_apart(
        program, lambda readers: any(reader.target in (PERMUTE, PAD) for reader in readers)
    )


def dequantize_for_every_reader(program: ExportedProgram) -> ExportedProgram:
    """Give every reader of a dequantized tensor a dequantize operator of its own.

    ExecuTorch's partitioner takes a dequantize operator into the part of each reader, and finds a circle where parts
    share one.

    Requires: nothing.
    Ensures: the same values.
    """
    return _dequantize_apart(program, lambda readers: True)


def _dequantize_apart(
    program: ExportedProgram, is_wanted: Callable[[Sequence[fx.Node]], bool]
) -> ExportedProgram:
    editor = ProgramEditor(program)
    for dequantize in editor.calls(DEQUANTIZE):
        readers = list(dequantize.users)
        if len(readers) > 1 and is_wanted(readers):
            for reader in readers:
                own = editor.call(DEQUANTIZE, *dequantize.args, like=dequantize)
                reader.replace_input_with(dequantize, own)
    return editor.finish()
