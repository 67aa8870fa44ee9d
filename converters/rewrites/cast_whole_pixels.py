"""Rewrite: the picture goes to float by way of 32-bit integers, for compilers that take its bytes for truth values.

Qualcomm's makes 1 of every uint8 that is not 0 where a Cast gives float32; a Cast to int32, and one from there, it
computes.
"""

import torch
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CAST
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.quantized_adapters import reads_pixels


def cast_whole_pixels(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Cast the picture to int32 and back, which a target that takes pixels as integers begins with.

    Requires: pixels that are whole numbers; a graph of int8 that computes with them as they are is left alone.
    Ensures: every output bit is the same.
    """
    if modules is not None or reads_pixels(program):
        return program
    editor = ProgramEditor(program)
    image = editor.input()
    readers = list(image.users)
    whole = editor.call(CAST, image, like=image, dtype=torch.int32)
    pixels = editor.call(CAST, whole, like=whole, dtype=torch.float32)
    for reader in readers:
        reader.replace_input_with(image, pixels)
    return editor.finish()
