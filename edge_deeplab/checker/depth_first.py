"""The partitions of a compiler that walks from a file's outputs back to its inputs, as Vela does for the Ethos-U.

The idea to hold: the accelerator's operators stand in the order of that walk, and what the processor computes comes as
late as what reads it allows. So an operator on the processor cuts them in two where the first of its readers stands, or
where the next operator on the processor cuts them already. What reads nothing but the file's inputs comes before
everything, what nothing reads after everything, and a reshape between two operators of the accelerator is no operator.

Source: ethos-u-vela 5.2.0, `regor/compiler/graph.hpp` (TraverseGraphFromEnd), `scheduler_packing.cpp`
(ReorderOperations), `graph_packing.cpp` (Process) and `graphir_optimiser.cpp` (RemoveReshape).
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence

from edge_deeplab.formats.graph import Operator

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
Places = Sequence[Sequence[int]]
"""For each operator the places of others."""


def find_depth_first_runs(
    operators: Sequence[Operator], needs: Places, followers: Places, left_out: Collection[int]
) -> tuple[tuple[int, ...], ...]:
    """Return the runs of the accelerator's operators, as places in the file's order.

    Args:
        operators: of one file, in its order.
        needs: for each, those whose results it reads, in the order in which it reads them.
        followers: for each, those that read its result.
        left_out: places of those that the processor computes.
    """
    outside = frozenset(left_out)
    order = _walk_back(needs, [place for place, readers in enumerate(followers) if not readers])
    vanished = _find_vanished(operators, order, needs, followers, outside)
    computed = [place for place in order if place not in outside and place not in vanished]
    if not computed:
        return ()
    ranks, end = {place: rank for rank, place in enumerate(computed)}, len(computed)
    early: set[int] = set()
    for place in order:
        if place in outside and early.issuperset(needs[place]):
            early.add(place)
    starts, latest = {0}, end
    for place in reversed(order):
        first_read = min((ranks[r] for r in followers[place] if r in ranks), default=end)
        if place in vanished:
            ranks[place] = first_read
        elif place in outside and place not in early and followers[place]:
            latest = min(latest, first_read)
            starts.add(latest)
    borders = sorted(starts - {end})
    runs: list[list[int]] = [[] for _ in borders]
    for place, rank in ranks.items():
        runs[bisect_right(borders, rank) - 1].append(place)
    return tuple(tuple(sorted(run)) for run in runs)


def _walk_back(needs: Places, ends: Sequence[int]) -> list[int]:
    """Return places, what is needed first: a walk from the ends that takes the last of several first."""
    order, seen = [], set()
    open_ends = [(place, False) for place in ends]
    while open_ends:
        place, done = open_ends.pop()
        if done:
            order.append(place)
        elif place not in seen:
            seen.add(place)
            open_ends += [(place, True), *((needed, False) for needed in needs[place])]
    return order


def _find_vanished(
    operators: Sequence[Operator],
    order: Sequence[int],
    needs: Places,
    followers: Places,
    outside: Collection[int],
) -> frozenset[int]:
    """Return the accelerator's reshapes that it need not compute.

    One between two things that the processor writes and reads is a copy, and so is one of a value that others read.
    """
    vanished, from_outside = set(), set()
    for place in order:
        given = needs[place][:1]
        outer = all(needed in outside or needed in from_outside for needed in given)
        read = followers[place]
        copied = outer and (not read or any(reader in outside for reader in read))
        copied = copied or any(len(followers[needed]) > 1 for needed in given)
        if place not in outside and operators[place].type in _RESHAPES and not copied:
            vanished.add(place)
            if outer:
                from_outside.add(place)
    return frozenset(vanished)
