"""Rewrite: logits as small as they are computed, for whoever enlarges them and takes the class elsewhere.

DeepLabV3+ computes logits at a quarter of the picture's size; enlarging them and comparing classes pixel by pixel is
the most that it moves and the least that it computes. A processor beside an accelerator does both in one pass.
"""

from typing import Any

from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import DEQUANTIZE, QUANTIZE, RESIZE
from edge_deeplab.converters.program import ProgramEditor


def logits_before_upsampling(
    program: ExportedProgram, modules: frozenset[str] | None = None
) -> ExportedProgram:
    """Give out what the last resize reads.

    Requires: an output that is a bilinear resize to the picture's size with half-pixel centres, behind quantizers or
        not, in one of the modules (others are left alone: who enlarges what they read gets other values).
    Ensures: an output that the same resize turns into the one before, where nothing is quantized
        between; where it is, integers are rounded once less.
    """
    editor = ProgramEditor(program)
    output = editor.output()
    resize: Any = output
    while resize.target in (QUANTIZE, DEQUANTIZE):
        resize = resize.args[0]
    picture_hw = editor.input().meta["val"].shape[2:]
    ends = resize in editor.calls(RESIZE, modules) and resize.meta["val"].shape[2:] == picture_hw
    if ends and not resize.args[2]:
        source: fx.Node = resize.args[0]
        editor.graph.output_node().replace_input_with(output, source)
    return editor.finish()
