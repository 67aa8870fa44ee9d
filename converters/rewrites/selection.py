"""Which operators a rewrite that was asked for is to change."""

from collections.abc import Iterable

from torch import fx

from edge_deeplab.formats.operator_names import module_of


def within(nodes: Iterable[fx.Node], modules: frozenset[str] | None) -> list[fx.Node]:
    """Return the operators that stand in one of the modules.

    Args:
        nodes: operators of a program that `name_operators` named.
        modules: dotted paths; None takes every operator.
    """
    if modules is None:
        return list(nodes)
    return [node for node in nodes if module_of(node.name) in modules]
