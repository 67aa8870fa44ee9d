"""`pad-classes`: more classes under the same class map, so that a GPU's own filling has no room."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edge_deeplab.converters.aten import ARGMAX, CONVOLUTION, DEQUANTIZE, QUANTIZE
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.pad_classes import LOWEST, pad_classes
from tests.converters.rewrites.graphs import quantized, seeded
from tests.converters.test_rewrites import operations, run, trace

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")


class Head(nn.Module):
    """A classifier, its enlarged scores, and their class map."""

    def __init__(self, classes: int, *, axis: int = 1, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classifier = nn.Conv2d(6, classes, 1, groups=groups, bias=bias)
        self.axis = axis
        if bias:
            nn.init.constant_(self.classifier.bias, -30.0)  # every score is negative

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        scores = self.classifier(features)
        enlarged = functional.interpolate(scores, scale_factor=4.0, mode="bilinear")
        return enlarged.argmax(self.axis).to(torch.int32)


def scores_of(program: torch.export.ExportedProgram) -> int:
    (convolution,) = ProgramEditor(program).calls(CONVOLUTION)
    return int(convolution.meta["val"].shape[1])


@pytest.mark.parametrize(("classes", "padded"), [(11, 12), (21, 24), (2, 4), (9, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_pad_classes_keeps_the_class_map(classes: int, padded: int, bias: bool) -> None:
    features = seeded(1, 6, 8, 12)
    program = trace(Head(classes, bias=bias), features)
    rewritten = pad_classes(program)
    assert scores_of(rewritten) == padded
    assert torch.equal(run(rewritten, features), run(program, features))


def test_pad_classes_of_integers_keeps_the_class_map() -> None:
    features = seeded(1, 6, 8, 12)
    program = with_class_map(quantized(nn.Conv2d(6, 11, 1), features, relu=False))
    rewritten = pad_classes(program)
    assert scores_of(rewritten) == 12
    assert torch.equal(run(rewritten, features), run(program, features))
    (convolution,) = ProgramEditor(rewritten).calls(CONVOLUTION)
    image, weight, bias = convolution.args[:3]
    editor = ProgramEditor(rewritten)
    step = image.args[1] * editor.constant(weight.args[1])[11]  # type: ignore[union-attr]
    added = editor.constant(bias)[11] / step
    assert added == added.round()
    assert added > -(2**31)


def test_added_class_has_the_lowest_integer() -> None:
    features = seeded(1, 6, 4, 4)
    program = quantized(nn.Conv2d(6, 11, 1), features, relu=False)
    editor = ProgramEditor(pad_classes(with_class_map(program)))
    (argmax,) = editor.calls(ARGMAX)
    (scores,) = argmax.all_input_nodes
    assert scores.target is DEQUANTIZE
    quantize = scores.args[0]
    assert quantize.target is QUANTIZE  # type: ignore[union-attr]
    argmax.replace_all_uses_with(quantize)  # type: ignore[arg-type]
    stored = run(editor.finish(), features)
    assert (stored[:, 11] == -128).all()
    assert torch.equal(stored[:, :11], run(_stored(program), features))


def _stored(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    editor = ProgramEditor(program)
    editor.output().replace_all_uses_with(editor.output().args[0])  # type: ignore[arg-type]
    return editor.finish()


def with_class_map(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    editor = ProgramEditor(program)
    scores = editor.output()
    readers = list(scores.users)
    ids = editor.call(ARGMAX, scores, 1, like=scores)
    for reader in readers:
        reader.replace_input_with(scores, ids)
    return editor.finish()


@pytest.mark.parametrize(
    "head",
    [Head(12), Head(11, axis=2), Head(6, groups=2)],
    ids=["twelve", "another axis", "groups"],
)
def test_pad_classes_leaves_others_alone(head: Head) -> None:
    features = seeded(1, 6, 8, 12)
    program = trace(head, features)
    rewritten = pad_classes(program)
    assert operations(rewritten) == operations(program)
    assert scores_of(rewritten) == scores_of(program)


def test_added_class_is_a_number_of_half_precision() -> None:
    assert float(torch.tensor(LOWEST).half()) == LOWEST
