"""The pair of operators that an int8 graph stores a value with."""

from collections.abc import Sequence
from typing import Any

from torch import fx

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor


def requantize(editor: ProgramEditor, value: fx.Node, settings: Sequence[Any]) -> fx.Node:
    """Return what gives a value behind a quantize and a dequantize operator of its own.

    Args:
        editor: of the program.
        value: floats; of a value that was moved or padded with zeros, the same integers as before.
        settings: of both operators: scale, zero point, smallest and largest integer, type.
    """
    quantized = editor.call(QUANTIZE, value, *settings, like=value)
    return editor.call(DEQUANTIZE, quantized, *settings, like=quantized)
