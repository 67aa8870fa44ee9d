"""The float16 form of a canonical graph: the network alone, not the picture's normalisation nor the last resize.

Logits that are rounded to float16 tie between classes, so the enlarged logits and the class map are computed in
float32.
"""

from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import CAST, MULTIPLY, RESIZE, SUBTRACT
from edge_deeplab.converters.float16 import round_to_float16
from edge_deeplab.converters.program import ProgramEditor


def compute_in_float16(program: ExportedProgram) -> ExportedProgram:
    """Let the network compute in float16, weights included.

    Requires: a float graph; constants of the network that nothing else reads.
    Ensures: input and output keep their types.

    Raises:
        ConversionError: when a weight lies outside of float16's range.
    """
    editor = ProgramEditor(program)
    picture, last = _normalised(editor), _end_of_network(editor)
    network = _between(picture, last)
    for constant in editor.constants():
        value = editor.constant(constant).detach()
        if value.dtype == torch.float32 and network.issuperset(constant.users):
            rounded = torch.from_numpy(round_to_float16(value.numpy(), constant.name))
            editor.replace_constant(constant, rounded)
    for node in network:
        _compute_in_float16(node)
    narrowed = editor.call(CAST, picture, like=picture, dtype=torch.float16)
    for reader in network & set(picture.users):
        reader.replace_input_with(picture, narrowed)
    widened = editor.call(CAST, last, like=last, dtype=torch.float32)
    for reader in set(last.users) - network - {widened}:
        reader.replace_input_with(last, widened)
    return editor.finish()


def _compute_in_float16(node: fx.Node) -> None:
    """Let an operator that is told to give float32 give float16, in place."""

    def narrowed(argument: Any) -> Any:
        return torch.float16 if argument == torch.float32 else argument

    node.args = tuple(map(narrowed, node.args))
    node.kwargs = {name: narrowed(argument) for name, argument in node.kwargs.items()}


def _normalised(editor: ProgramEditor) -> fx.Node:
    """Return the picture behind its normalisation, or as it comes in where it has none."""
    picture = editor.input()
    for target in (SUBTRACT, MULTIPLY):
        readers = list(picture.users)
        if len(readers) == 1 and readers[0].target is target:
            picture = readers[0]
    return picture


def _end_of_network(editor: ProgramEditor) -> fx.Node:
    """Return the scores before what enlarges them and takes the class map of them."""
    value = editor.output()
    while value.target is RESIZE or not value.meta["val"].is_floating_point():
        value = value.all_input_nodes[0]
    return value


def _between(start: fx.Node, end: fx.Node) -> set[fx.Node]:
    """Return the operators that lead from one value to another."""
    found: set[fx.Node] = set()
    pending = [end]
    while pending:
        node = pending.pop()
        if node not in found and node is not start and node.op == "call_function":
            found.add(node)
            pending += node.all_input_nodes
    return found
