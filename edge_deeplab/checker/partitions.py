"""Which operators an accelerator takes together: the subgraphs that a delegate makes of a file, and what they cost.

The idea to hold: operators are taken in turns. A turn belongs to the accelerator or to the processor, takes every
operator of its side that is ready, and ends when none is left; so an operator in between costs a partition only where
what follows needs it. TFLite's partitioner does so for every delegate; other runtimes split by the same need.

Source: LiteRT `tflite/graph_info.cc`, PartitionGraphIntoIndependentNodeSubsets. The XNNPACK delegate asks for no least
number of operators and no most number of partitions (`xnnpack_delegate.cc`, DelegatePrepare).
"""

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

from edge_deeplab.checker.depth_first import find_depth_first_runs
from edge_deeplab.checker.multiply_adds import count_multiply_adds
from edge_deeplab.formats.graph import Operator


@dataclass(frozen=True)
class Partitioning:
    """Where the operators of a file run.

    Args:
        partitions: of each subgraph on the accelerator, the places of its operators in the file's order.
        left_out: places of the operators that it does not take.
        share: multiply-adds on the accelerator over all of them; None where a shape is open or there are none.
    """

    partitions: tuple[tuple[int, ...], ...]
    left_out: tuple[int, ...]
    share: float | None


def place_operators(
    operators: Sequence[Operator],
    left_out: Collection[int],
    pruned: Collection[int] = (),
    *,
    depth_first: bool = False,
) -> Partitioning:
    """Return where operators run when an accelerator takes all but some.

    Args:
        operators: of one file, in its order.
        left_out: places of those that it does not take.
        pruned: places of those that no processor runs, because their result is handed over as it is stored.
        depth_first: whether they are split as a compiler does that walks from the outputs back, not in turns.
    """
    if depth_first:
        needs, followers = _link(operators, frozenset(pruned))
        partitions = find_depth_first_runs(operators, needs, followers, {*left_out, *pruned})
    else:
        partitions = find_subgraphs(operators, left_out, pruned)
    taken = [operators[place] for place in chain.from_iterable(partitions)]
    return Partitioning(partitions, tuple(sorted(left_out)), share_of(taken, operators))


def share_of(some: Sequence[Operator], all_of_them: Sequence[Operator]) -> float | None:
    """Return the share that some operators have in the multiply-adds; None where a shape is open or there are none."""
    counts = [count_multiply_adds(operator) for operator in all_of_them]
    total = sum(count for count in counts if count is not None)
    if None in counts or not total:
        return None
    return sum(count_multiply_adds(operator) or 0 for operator in some) / total


def find_subgraphs(
    operators: Sequence[Operator], left_out: Collection[int], pruned: Collection[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """Return the subgraphs that an accelerator makes of the operators it takes, as places in the file's order.

    Operators in a circle are never ready and stand in none, and neither do those that are pruned.
    """
    absent = frozenset(pruned)
    needs, followers = _link(operators, absent)
    waits = [len(needed) for needed in needs]
    outside = frozenset(left_out)
    ready: dict[bool, list[int]] = {True: [], False: []}  # by whether the accelerator takes it
    for place, count in enumerate(waits):
        if not count and place not in absent:
            ready[place not in outside].append(place)  # in order, so each list is a heap
    subgraphs = []
    while ready[True] or ready[False]:
        accelerated = min((queue[0], side) for side, queue in ready.items() if queue)[1]
        turn = []
        while ready[accelerated]:
            place = heapq.heappop(ready[accelerated])
            turn.append(place)
            for follower in followers[place]:
                waits[follower] -= 1
                if not waits[follower]:
                    heapq.heappush(ready[follower not in outside], follower)
        if accelerated:
            subgraphs.append(tuple(sorted(turn)))
    return tuple(subgraphs)


def _link(
    operators: Sequence[Operator], absent: Collection[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return, for each operator, those whose results it reads, as often as it does, and those that read its own."""
    producers = {
        key: place
        for place, operator in enumerate(operators)
        if place not in absent
        for key in operator.writes
        if key
    }
    needs: list[list[int]] = []
    followers: list[list[int]] = [[] for _ in operators]
    for place, operator in enumerate(operators):
        needs.append([producers[key] for key in operator.reads if key in producers])
        for needed in needs[place]:
            followers[needed].append(place)
    return needs, followers
