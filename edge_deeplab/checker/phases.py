"""Where an operator stands in the moves that cut a map into the phases of an atrous convolution, or interlace them.

`export --atrous deinterlace` writes them as chains of seven, Transposes and Reshapes in turn, with a Pad or Slice where
the rate does not divide the map. The idea to hold: what a compiler does with such a move hangs on its place in the
chain more than on the operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_deeplab.checker.fact import Value
from edge_deeplab.formats.graph import Operator, first_shape

_Order = tuple[int, ...]
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_CHAINS: dict[str, tuple[_Order | None, ...]] = {
    "cut": (_TO_LAST, None, (2, 0, 1, 3), None, (2, 0, 1, 3), None, _TO_FIRST),
    "interlace": (_TO_LAST, None, (1, 2, 0, 3), None, (1, 2, 0, 3), None, _TO_FIRST),
}
"""Order of each Transpose; None for a Reshape."""
_WHOLE_MAP = {"cut": 2, "interlace": 6}
"""The Reshape of the whole map, counted from 1: it reads it before cutting, and writes it after interlacing."""
_RESIZES = ("Pad", "Slice")
_PASSED = (*_RESIZES, "QuantizeLinear", "DequantizeLinear")
_TILE = 16


@dataclass(frozen=True)
class _Chain:
    """The moves of one chain so far.

    Args:
        places: of its Transposes and Reshapes.
        resized: whether a Pad or Slice stands between them.
    """

    places: tuple[int, ...]
    resized: bool = False


def find_phase_moves(operators: Sequence[Operator]) -> dict[int, dict[str, Value]]:
    """Return the facts of the operators of an ONNX file that cut or interlace phases, by their places."""
    readers: dict[str, list[int]] = {}
    for place, operator in enumerate(operators):
        for key in operator.reads[:1]:  # a move reads one map
            readers.setdefault(key, []).append(place)
    told: dict[int, dict[str, Value]] = {}
    for start, operator in enumerate(operators):
        for kind, orders in _CHAINS.items():
            begins = _is_move(operator, orders[0])
            chains = (
                list(_follow(operators, readers, _Chain((start,)), orders[1:])) if begins else []
            )
            for chain in chains:
                told |= _facts_of(operators, kind, chain, shared=len(chains) > 1)
    return told


def _facts_of(
    operators: Sequence[Operator], kind: str, chain: _Chain, *, shared: bool
) -> dict[int, dict[str, Value]]:
    """Return the facts of the moves of one whole chain, by their places."""
    facts: dict[str, Value] = {
        "phases_shared": shared,
        "phases_resized": chain.resized,
        "phases_of_tiles": any(side % _TILE == 0 for side in _whole_map(operators, kind, chain)),
    }
    return {
        place: {"phase_move": f"{kind}-{number}", **facts}
        for number, place in enumerate(chain.places, 1)
    }


def _follow(
    operators: Sequence[Operator],
    readers: dict[str, list[int]],
    chain: _Chain,
    orders: Sequence[_Order | None],
) -> Iterator[_Chain]:
    """Yield the chains that go on from one as these orders say."""
    if not orders:
        yield chain
        return
    for place, resized in _next_moves(operators, readers, chain.places[-1]):
        if _is_move(operators[place], orders[0]):
            longer = _Chain((*chain.places, place), chain.resized or resized)
            yield from _follow(operators, readers, longer, orders[1:])


def _next_moves(
    operators: Sequence[Operator], readers: dict[str, list[int]], place: int
) -> Iterator[tuple[int, bool]]:
    """Yield the operators behind one, what only pads, crops or changes the type skipped, and whether that resizes."""
    waiting, passed = [(place, False)], {place}  # a damaged file may go in circles
    while waiting:
        at, resized = waiting.pop()
        for reader in (reader for key in operators[at].writes for reader in readers.get(key, ())):
            kind = operators[reader].type
            if kind not in _PASSED:
                yield reader, resized
            elif reader not in passed:
                passed.add(reader)
                waiting.append((reader, resized or kind in _RESIZES))


def _is_move(operator: Operator, order: _Order | None) -> bool:
    if order is None:
        return operator.type == "Reshape"
    told = operator.attributes.get("perm")
    return operator.type == "Transpose" and isinstance(told, tuple) and tuple(told) == order


def _whole_map(operators: Sequence[Operator], kind: str, chain: _Chain) -> list[int]:
    """Return rows and columns of the map that is cut or interlaced, with what was added to it; nothing where open."""
    reshape = operators[chain.places[_WHOLE_MAP[kind] - 1]]
    shape = first_shape(reshape.inputs if kind == "cut" else reshape.outputs)
    return [side for side in (shape or ())[1:3] if side]
