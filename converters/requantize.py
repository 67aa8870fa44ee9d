"""Values that are moved in an int8 graph, given the quantizer that they had: the same integers again."""

from torch import fx

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor


def requantize(editor: ProgramEditor, value: fx.Node, like: fx.Node) -> fx.Node:
    """Return what gives a moved value again, through quantizers of its own.

    Args:
        editor: of the program.
        value: holds what a dequantize operator gave, moved or beside zeros.
        like: that operator.
    """
    quantized = editor.call(QUANTIZE, value, *like.args[1:], like=value)
    return editor.call(DEQUANTIZE, quantized, *like.args[1:], like=quantized)
