"""Which form each atrous convolution of a graph is exported in, and what every form would cost.

The idea to hold: the forms of a convolution are judged as the checker judges files. The file of the native graph is
read, its atrous convolutions are found by their modules, and each is held against a profile's rules once as it stands
and once as either rewrite would leave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch.export import ExportedProgram

from edge_deeplab.checker.facts import facts_of
from edge_deeplab.checker.rules import Profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.converters.rewrites.atrous import AtrousConvolution, atrous_convolutions, reach_of
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.converters.rewrites.deinterlace import phases_of
from edge_deeplab.errors import unknown_choice
from edge_deeplab.formats.graph import FileGraph, Operator

NATIVE, ZERO_INSERT, DEINTERLACE, AUTO = "native", "zero-insert", "deinterlace", "auto"
FORMS = (NATIVE, DEINTERLACE, ZERO_INSERT)
"""Of equally good ones the first is taken."""
ATROUS = (NATIVE, ZERO_INSERT, DEINTERLACE, AUTO)
"""What an export can be asked for."""

_MOVES = {
    "tflite": ("RESHAPE", "TRANSPOSE"),
    "onnx": ("Reshape", "Transpose"),
    "coreml": ("reshape", "transpose"),
}
"""Operators, by file format, that cut a map into phases and interlace them."""


@dataclass(frozen=True)
class AtrousForm:
    """One form of one convolution.

    Args:
        name: one of `FORMS`.
        multiply_adds: of one image, padding counted.
        verdict: the worst that the profile says of its operators; None where nothing was judged.
        rule: id of the rule that says so, or None.
    """

    name: str
    multiply_adds: int
    verdict: Verdict | None = None
    rule: str | None = None


@dataclass(frozen=True)
class AtrousChoice:
    """The form that an atrous convolution is exported in.

    Args:
        module: its path.
        rate_hw: its atrous rate.
        chosen: one of `FORMS`.
        forms: all of them.
    """

    module: str
    rate_hw: tuple[int, int]
    chosen: str
    forms: tuple[AtrousForm, ...]

    def form(self, name: str) -> AtrousForm:
        """Return one of its forms."""
        (found,) = [form for form in self.forms if form.name == name]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the choice as plain JSON values."""
        return {
            "module": self.module,
            "rate": list(self.rate_hw),
            "form": self.chosen,
            "forms": {
                form.name: {
                    "multiply_adds": form.multiply_adds,
                    "verdict": form.verdict,
                    "rule": form.rule,
                }
                for form in self.forms
            },
        }


def check_atrous(name: str) -> None:
    """Check the form that an export is asked for.

    Raises:
        ConfigError: for an unknown one.
    """
    if name not in ATROUS:
        raise unknown_choice("atrous form", name, ATROUS)


def one_form(program: ExportedProgram, name: str) -> tuple[AtrousChoice, ...]:
    """Return the choice of one form for every atrous convolution.

    Args:
        program: the canonical graph, before any rewrite of these.
        name: one of `FORMS`.
    """
    editor = ProgramEditor(program)
    return tuple(
        AtrousChoice(editor.module_path(c.weight), c.rate_hw, name, _unjudged_forms(c))
        for c in atrous_convolutions(editor)
    )


def choose_forms(
    program: ExportedProgram, file: FileGraph, profile: Profile
) -> tuple[AtrousChoice, ...]:
    """Choose, for every atrous convolution, the form with the best verdict, of equals the one of fewest multiply-adds.

    Args:
        program: the canonical graph, before any rewrite of these.
        file: what was lowered from it; a convolution that it does not have stays native.
        profile: judges.
    """
    operators = {o.module: o for o in file.operators if o.convolution and o.module}
    editor = ProgramEditor(program)
    choices = []
    for convolution in atrous_convolutions(editor):
        module = editor.module_path(convolution.weight)
        forms = _unjudged_forms(convolution)
        if module in operators:
            operator = operators[module]
            judged = (_judge(form, convolution, operator, file, profile) for form in forms)
            forms = tuple(judged)
        best = min(forms, key=_badness)
        choices.append(AtrousChoice(module, convolution.rate_hw, best.name, forms))
    return tuple(choices)


def ask_for(choices: Sequence[AtrousChoice], reason: str) -> tuple[AskedRewrite, ...]:
    """Return the rewrites that bring convolutions into the forms that were chosen; none for native ones."""
    asked = []
    for name in (ZERO_INSERT, DEINTERLACE):
        modules = frozenset(choice.module for choice in choices if choice.chosen == name)
        if modules:
            asked.append(AskedRewrite(name, modules, reason))
    return tuple(asked)


def multiply_adds(choices: Sequence[AtrousChoice], form: str | None = None) -> int:
    """Return the multiply-adds of atrous convolutions in one form; None takes the forms that were chosen."""
    return sum(choice.form(form or choice.chosen).multiply_adds for choice in choices)


def _badness(form: AtrousForm) -> tuple[Verdict, int]:
    return form.verdict or Verdict.OK, form.multiply_adds


def _unjudged_forms(convolution: AtrousConvolution) -> tuple[AtrousForm, ...]:
    """Return the forms of a convolution with their multiply-adds."""
    node: Any = convolution.node
    batch, outputs, height, width = node.meta["val"].shape
    taps = prod(convolution.kernel_hw)
    each = batch * outputs * (convolution.image_shape[1] // convolution.groups)
    cut = phases_of(convolution)
    counts = {
        NATIVE: height * width * taps,
        ZERO_INSERT: height * width * prod(reach_of(convolution)),
        DEINTERLACE: prod(phases.size for phases in cut) * taps,
    }
    return tuple(AtrousForm(name, each * counts[name]) for name in FORMS)


def _judge(
    form: AtrousForm,
    convolution: AtrousConvolution,
    operator: Operator,
    file: FileGraph,
    profile: Profile,
) -> AtrousForm:
    """Return a form with the worst that a profile says of its operators."""
    rules = [
        rule
        for each in _operators_of(form.name, convolution, operator, file)
        if (rule := profile.worst_rule(facts_of(each)))
    ]
    worst = max(rules, key=lambda rule: rule.verdict, default=None)
    if worst is None:
        return replace(form, verdict=Verdict.OK)
    return replace(form, verdict=worst.verdict, rule=worst.id)


def _operators_of(
    form: str, convolution: AtrousConvolution, operator: Operator, file: FileGraph
) -> list[Operator]:
    """Return the operators that a convolution of a file becomes in a form."""
    native = operator.convolution
    assert native is not None
    if form == NATIVE:
        return [operator]
    if form == ZERO_INSERT:
        return [
            _with_geometry(operator, rate_hw=(1, 1), form=NATIVE, kernel_hw=reach_of(convolution))
        ]
    height, width = phases_of(convolution)
    dense = _with_geometry(
        operator,
        rate_hw=(1, 1),
        form=NATIVE,
        stride_hw=(height.stride, width.stride),
        padding=(height.padding, width.padding) * 2,
    )
    return [dense, *(_move(kind, operator) for kind in _MOVES[file.format])]


def _with_geometry(operator: Operator, **changes: Any) -> Operator:
    assert operator.convolution is not None
    return replace(operator, convolution=replace(operator.convolution, **changes))


def _move(kind: str, operator: Operator) -> Operator:
    """Return a move of what a convolution reads."""
    return replace(operator, type=kind, inputs=operator.inputs[:1], attributes={}, convolution=None)
