"""The rewrites that an export can ask for, by name: the one list that `export`, the rules and `rewrites` speak of.

Those that every export runs are in `pipeline`. A new one is a module of its own here, an entry below, and a test that
proves its equivalence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch.export import ExportedProgram

from edge_deeplab.converters.rewrites.deinterlace import deinterlace
from edge_deeplab.converters.rewrites.zero_insert import zero_insert
from edge_deeplab.errors import unknown_choice

Modules = frozenset[str] | None
"""Paths of the modules that a rewrite is to change; None for all that it fits."""


@dataclass(frozen=True)
class CataloguedRewrite:
    """A rewrite that can be asked for.

    Args:
        apply: maps (program, modules) to the program with those modules rewritten; one it does not fit is left alone.
        does: what it turns into what, one sentence.
        equality: what is proven of the outputs, for example "bit-equal in int8, within 1e-5 in float32".
    """

    apply: Callable[[ExportedProgram, Modules], ExportedProgram]
    does: str
    equality: str


@dataclass(frozen=True)
class AskedRewrite:
    """A rewrite that an export asks for.

    Args:
        name: a key of `REWRITES`.
        modules: those to change.
        reason: why, for the manifest; a rule's id or the option that was given.
    """

    name: str
    modules: Modules = None
    reason: str = ""


REWRITES: Mapping[str, CataloguedRewrite] = {
    "zero-insert": CataloguedRewrite(
        apply=zero_insert,
        does="an atrous convolution becomes a dense one: its filter gets rate - 1 zeros between the taps",
        equality="bit-equal in int8, within 1e-5 in float32",
    ),
    "deinterlace": CataloguedRewrite(
        apply=deinterlace,
        does="the map of an atrous convolution is cut into rate x rate phases, convolved densely and interlaced again",
        equality="bit-equal in int8, within 1e-5 in float32",
    ),
}


def get_rewrite(name: str) -> CataloguedRewrite:
    """Return a rewrite by name.

    Raises:
        ConfigError: for an unknown one; the choices are listed.
    """
    if name not in REWRITES:
        raise unknown_choice("rewrite", name, tuple(REWRITES))
    return REWRITES[name]
