"""What the face's keywords may come as: checked before a verb begins, because far inside no sentence can name them."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

from edge_deeplab.child.limits import Allowance
from edge_deeplab.description import Normalisation
from edge_deeplab.documents import is_finite
from edge_deeplab.errors import ConfigError

Verb = TypeVar("Verb", bound=Callable[..., Any])
Kind = tuple[Callable[[Any], bool], str]
"""Whether a value is of a kind, and what the kind is called."""


def _whole(value: Any) -> bool:
    return is_finite(value) and isinstance(value, int)


def _count(least: int) -> Kind:
    return lambda value: _whole(value) and value >= least, f"a whole number from {least}"


def _instance(kind: Any, name: str) -> Kind:
    return lambda value: isinstance(value, kind), name


def _optional(kind: Kind) -> Kind:
    return lambda value: value is None or kind[0](value), f"{kind[1]} or None"


def _listed(fits: Callable[[Any], bool], what: str) -> Kind:
    def is_list(value: Any) -> bool:
        return isinstance(value, Collection) and all(fits(each) for each in value)

    return is_list, f"a list of {what}"


def _is_progress(value: Any) -> bool:
    methods = (getattr(value, name, None) for name in ("begin", "advance", "note"))
    return not isinstance(value, type) and all(callable(method) for method in methods)


_TEXT, _FLAG = _instance(str, "text"), _instance(bool, "True or False")
_ALLOWANCE = _instance(Allowance, "an Allowance (edge_deeplab.child.limits)")
_NORMALISATION = _instance(Normalisation, "a Normalisation (edge_deeplab.description)")
_KINDS: Mapping[str, Kind] = {
    "workers": _count(0),
    "rounds": _count(1),
    "drift_images": _count(0),
    "max_pixels": _count(1),
    "limit": _optional(_count(1)),
    "threads": _optional(_count(1)),
    "threshold": (lambda value: value is None or is_finite(value), "a number or None"),
    "max_drop": (lambda value: is_finite(value) and value >= 0, "a number from 0"),
    "scales": _listed(is_finite, "numbers"),
    "trimap": _listed(_whole, "whole numbers"),
    **dict.fromkeys(("split", "atrous", "observe", "rule"), _TEXT),
    **dict.fromkeys(
        (
            *("backbone", "backend", "classifier", "head", "licence", "name", "on"),
            *("precision", "sparsity", "runtime"),
        ),
        _optional(_TEXT),
    ),
    **dict.fromkeys(
        ("any_size", "canonical", "decoder", "explain", "fix", "flip", "resume", "tensorboard"),
        _FLAG,
    ),
    **dict.fromkeys(
        ("accept_licence", "allow_pickle", "fail_inconclusive", "unsafe_pickle"), _FLAG
    ),
    "allowance": _optional(_ALLOWANCE),
    "ignore_index": (
        lambda value: value is None or (_count(0)[0](value) and value <= 255),
        "a mask's value, 0 to 255, or None",
    ),
    "normalisation": _optional(_NORMALISATION),
    **dict.fromkeys(
        ("class_map", "label_map"),
        _optional(_instance(Mapping | str | Path, "a mapping or its file")),
    ),
    "progress": (_is_progress, "an object with begin, advance and note"),
}
"""By keyword: it means the same in every verb. Names that something else is found by are checked where that is."""


def checked(verb: Verb) -> Verb:
    """Let a verb refuse keywords that came as something else than it takes, before it does anything.

    Raises:
        ConfigError: for the first of them; it names the keyword.
    """
    keywords = signature(verb)

    @wraps(verb)
    def call(*arguments: Any, **named: Any) -> Any:
        for keyword, value in keywords.bind(*arguments, **named).arguments.items():
            is_kind, kind = _KINDS.get(keyword, (lambda _: True, ""))
            if value is not keywords.parameters[keyword].default and not is_kind(value):
                raise ConfigError(f"{keyword} came as {value!r:.60}; {kind} was expected")
        return verb(*arguments, **named)

    return cast(Verb, call)
