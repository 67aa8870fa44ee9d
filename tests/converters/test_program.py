"""Editing a program: what an edit changes is computed again, the rest is kept as it is."""

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from edge_deeplab.converters.noise import quietly
from edge_deeplab.converters.program import ProgramEditor


@pytest.fixture
def program() -> ExportedProgram:
    """A convolution, its relu, and an operator beside both."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, stride=2)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.conv(image).relu() + image.mean()

    network = Network().eval()
    with quietly():
        return torch.export.export(network, (torch.zeros(1, 3, 9, 9),)).run_decompositions({})


def values_of(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Return the value of every operator by its name."""
    return {
        node.name: node.meta["val"] for node in program.graph.nodes if node.op == "call_function"
    }


def test_finish_computes_what_follows_from_an_edit_and_nothing_else(
    program: ExportedProgram,
) -> None:
    before = ProgramEditor(program).finish()
    editor = ProgramEditor(before)
    (conv,) = editor.calls(torch.ops.aten.conv2d.default)
    image, weight, bias, _ = conv.args
    conv.args = (image, weight, bias, [1, 1])
    after = editor.finish()
    old, new = values_of(before), values_of(after)
    assert new["conv2d"].shape == new["relu"].shape == new["add"].shape == (1, 4, 7, 7)
    assert old["relu"].shape == (1, 4, 4, 4), "the program that was edited is as it was"
    assert new["mean"] is old["mean"]


def test_finish_tells_a_whole_number_from_a_float(program: ExportedProgram) -> None:
    editor = ProgramEditor(program)
    wanted = editor.call(
        torch.ops.aten.to.dtype, editor.output(), torch.int32, like=editor.output()
    )
    added = editor.call(torch.ops.aten.add.Scalar, wanted, 1, like=wanted)
    editor.graph.output_node().replace_input_with(editor.output(), added)
    whole = editor.finish()
    assert values_of(whole)[added.name].dtype == torch.int32
    editor = ProgramEditor(whole)
    editor.output().args = (editor.output().args[0], 1.0)
    assert values_of(editor.finish())[added.name].dtype == torch.float32


def test_finish_of_another_input_computes_everything_again(program: ExportedProgram) -> None:
    editor = ProgramEditor(ProgramEditor(program).finish())
    editor.replace_input(torch.zeros(1, 3, 17, 17))
    values = values_of(editor.finish())
    assert values["add"].shape == (1, 4, 8, 8)
