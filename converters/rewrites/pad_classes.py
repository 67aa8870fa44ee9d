"""Rewrite: classes filled up to a multiple of four with some that never win, for accelerators that fill up with zeros.

GPUs keep four channels in one element. One that fills the last element with zeros and takes the class map over all of
it lets the filling win wherever every score is negative; classes that are in the file leave it nothing to fill.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import fx
from torch.export import ExportedProgram

from edge_deeplab.converters.aten import (
    ARGMAX,
    CONVOLUTION,
    DEQUANTIZE,
    DEQUANTIZE_CHANNELS,
    QUANTIZE,
    RESIZE,
    groups_of,
    stored_weight,
)
from edge_deeplab.converters.program import ProgramEditor

CHANNELS_OF_ELEMENT = 4
LOWEST = -1e4
"""Score of an added class in float: half precision holds it, and no score of a network comes near."""

_PASSED_ON = (QUANTIZE, DEQUANTIZE, RESIZE)


def pad_classes(program: ExportedProgram, modules: frozenset[str] | None = None) -> ExportedProgram:
    """Give the convolution under a class map filters of zeros whose bias no class is as low as.

    In int8 the bias saturates at the lowest integer of the scores: where all classes are that low the first one wins,
    as before. A resize between keeps an added class's score, which is the same everywhere.

    Requires: an argmax over channels of an ungrouped convolution of constant weight, with resizes and quantizers
        between them that nothing else reads (others are left alone).
    Ensures: a multiple of four classes; the same class map wherever a float score lies above `LOWEST`.
    """
    editor = ProgramEditor(program)
    for argmax in editor.calls(ARGMAX, modules):
        classifier = _classifier_of(editor, argmax)
        if classifier is not None and classifier.classes % CHANNELS_OF_ELEMENT:
            _pad(editor, classifier)
    return editor.finish()


@dataclass(frozen=True)
class _Classifier:
    """The convolution whose scores an argmax compares.

    Args:
        node: the call.
        stored: placeholder of its weight: the floats, or the integers under a dequantize operator.
        classes: how many scores it gives.
    """

    node: fx.Node
    stored: fx.Node
    classes: int

    @property
    def is_quantized(self) -> bool:
        return self.node.args[1] is not self.stored


def _classifier_of(editor: ProgramEditor, argmax: fx.Node) -> _Classifier | None:
    arguments: Any = argmax.args
    node, axes = arguments[0], arguments[1:]
    while node.target in _PASSED_ON and len(node.users) == 1:
        node = node.args[0]
    if axes != (1,) or node.target is not CONVOLUTION or len(node.users) != 1:
        return None
    stored = stored_weight(node)
    if not editor.is_constant(stored) or groups_of(node) != 1:
        return None
    return _Classifier(node, stored, len(editor.constant(stored)))


def _pad(editor: ProgramEditor, classifier: _Classifier) -> None:
    node = classifier.node
    arguments: Any = node.args
    image, weight, *settings = arguments
    path = editor.module_path(classifier.stored)
    bias = settings.pop(0) if settings else None
    given = torch.zeros(classifier.classes) if bias is None else editor.constant(bias)
    if classifier.is_quantized:
        stored, *parameters = weight.args
        scales, zeros = (editor.constant(each) for each in parameters[:2])
        low = _lowest_of(node, image, float(scales[0]))
        constants = (
            editor.add_constant(f"{path}.quantized_weight", _filled(editor.constant(stored))),
            editor.add_constant(f"{path}.weight_scale", _filled(scales, float(scales[0]))),
            editor.add_constant(f"{path}.weight_zero_point", _filled(zeros)),
        )
        padded = editor.call_before(DEQUANTIZE_CHANNELS, *constants, *parameters[2:], like=node)
    else:
        low = LOWEST
        padded = editor.add_constant(f"{path}.weight", _filled(editor.constant(weight)))
    biased = editor.add_constant(f"{path}.bias", _filled(given, low))
    node.args = (image, padded, biased, *settings)


def _filled(values: torch.Tensor, value: float = 0) -> torch.Tensor:
    """Return values (K, ...) with rows of one number more, up to a multiple of four."""
    more = values.new_full((-len(values) % CHANNELS_OF_ELEMENT, *values.shape[1:]), value)
    return torch.cat([values, more])


def _lowest_of(node: fx.Node, image: Any, weight_scale: float) -> float:
    """Return a bias that gives the lowest integer of the scores, a whole multiple of the products' step."""
    (reader,) = node.users
    if reader.target is not QUANTIZE or image.target is not DEQUANTIZE:
        return LOWEST
    scale, zero_point, lowest = cast(tuple[float, int, int], reader.args[1:4])
    step = image.args[1] * weight_scale
    return -float(torch.ceil(torch.tensor((zero_point - lowest + 1) * scale / step)) * step)
