import time
from dataclasses import replace

import pytest

from edge_deeplab.checker.partitions import find_subgraphs, place_operators
from edge_deeplab.formats.graph import Operator, TensorSpec


def chain(*links, kind="RELU"):
    """Return operators from (reads, writes) in words: "a b" -> "c"."""
    return [
        Operator(i, kind, f"o{i}", 1, (), (), {}, reads=tuple(r.split()), writes=tuple(w.split()))
        for i, (r, w) in enumerate(links)
    ]


def test_find_subgraphs_nothing_left_out_is_one():
    assert find_subgraphs(chain(("x", "a"), ("a", "b")), ()) == ((0, 1),)


def test_find_subgraphs_operator_in_the_middle_makes_two():
    operators = chain(("x", "a"), ("a", "b"), ("b", "c"))
    assert find_subgraphs(operators, {1}) == ((0,), (2,))


def test_find_subgraphs_side_branch_on_the_processor_makes_one():
    operators = chain(("x", "a"), ("x", "side"), ("a", "b"), ("b side", "c"))
    assert find_subgraphs(operators, {1}) == ((0, 2), (3,))
    assert find_subgraphs(operators[:3], {1}) == ((0, 2),)


def test_find_subgraphs_starts_on_the_side_of_the_first_that_is_ready():
    """Two inputs: the processor's turn comes first, so both of the accelerator's operators fit into one."""
    operators = chain(("x", "a"), ("y", "b"), ("a b", "c"))
    assert find_subgraphs(operators, {0}) == ((1, 2),)
    assert find_subgraphs(operators, {1}) == ((0,), (2,))


def test_find_subgraphs_all_left_out_is_none():
    assert find_subgraphs(chain(("x", "a"), ("a", "b")), {0, 1}) == ()


def test_find_subgraphs_circle_is_never_ready():
    assert find_subgraphs(chain(("b", "a"), ("a", "b"), ("x", "c")), ()) == ((2,),)


def test_find_subgraphs_value_that_is_read_twice_counts_once_it_is_there():
    assert find_subgraphs(chain(("x", "a"), ("a a", "b")), ()) == ((0, 1),)


def test_find_subgraphs_of_many_alternating_operators_takes_a_moment():
    count = 20_000
    operators = chain(*((f"v{i}", f"v{i + 1}") for i in range(count)))
    start = time.process_time()
    subgraphs = find_subgraphs(operators, frozenset(range(1, count, 2)))
    assert len(subgraphs) == count // 2
    assert time.process_time() - start < 2


def product(index, reads, writes, shape=(1, 10), inner=4):
    """Return a matrix product: 40 multiply-adds unless told otherwise."""
    inputs = (TensorSpec("x", "float32", (1, inner)), TensorSpec("w", "float32", (10, inner)))
    outputs = (TensorSpec("y", "float32", shape),)
    return Operator(
        index, "FULLY_CONNECTED", "y", 1, inputs, outputs, {}, reads=reads, writes=writes
    )


def test_place_operators_share_is_of_multiply_adds():
    operators = [product(0, ("x",), ("a",)), product(1, ("a",), ("b",), inner=12)]
    placement = place_operators(operators, {1})
    assert placement.partitions == ((0,),)
    assert placement.left_out == (1,)
    assert placement.share == pytest.approx(0.25)


def test_place_operators_open_shape_or_no_work_has_no_share():
    assert place_operators([product(0, (), ("a",), shape=(1, None))], ()).share is None
    assert place_operators(chain(("x", "a")), ()).share is None


def depth_first(operators, left_out, pruned=()):
    return place_operators(operators, left_out, pruned, depth_first=True).partitions


def test_depth_first_operator_in_the_middle_makes_two():
    operators = chain(("x", "a"), ("a", "b"), ("b", "c"))
    assert depth_first(operators, ()) == ((0, 1, 2),)
    assert depth_first(operators, {1}) == ((0,), (2,))
    assert depth_first(operators, {1}, {0}) == ((2,),)


def test_depth_first_processor_computes_as_late_as_what_reads_it_allows():
    """Both of the processor's results are read at the end, so one visit suffices, which in the file's order are two."""
    operators = chain(("x", "a"), ("a", "left"), ("a", "b"), ("b", "right"), ("left right", "c"))
    assert depth_first(operators, {1, 3}) == ((0, 2), (4,))


def test_depth_first_processor_is_visited_again_where_an_operator_in_between_reads_it():
    operators = chain(("x", "a"), ("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"))
    assert depth_first(operators, {1, 3}) == ((0,), (2,), (4,))


def test_depth_first_processor_at_the_files_ends_makes_no_cut():
    operators = chain(("x", "a"), ("x", "b"), ("a b", "c"), ("b", "side"))
    assert depth_first(operators, {1, 3}) == ((0, 2),)


def test_depth_first_branches_that_end_apart_are_cut_by_the_walk_not_by_need():
    """The last output is walked first, so its operators stand before those that the first one needs."""
    operators = chain(("x", "a"), ("a", "b"), ("b", "first"), ("x", "c"), ("c", "d"), ("d", "last"))
    assert depth_first(operators, {1, 4}) == ((3,), (0, 5), (2,))


def test_depth_first_reshape_behind_the_processor_is_no_operator():
    operators = chain(("x", "a"), ("a", "left"), ("left", "flat"), ("a", "b"), ("flat b", "c"))
    operators[2] = replace(operators[2], type="RESHAPE")
    assert depth_first(operators, {1}) == ((0, 3), (2, 4))
    operators[4] = replace(operators[4], reads=("left", "flat", "b"))  # a copy: others read it too
    assert depth_first(operators, {1}) == ((0, 3), (2, 4))


def test_depth_first_reshape_of_a_value_that_others_read_is_a_copy():
    """It stands where the walk meets it, before what the processor's second result needs."""
    operators = chain(("x", "a"), ("a", "left"), ("left", "flat"), ("a", "b"), ("b", "right"))
    operators[2] = replace(operators[2], type="RESHAPE")
    last = replace(operators[0], reads=("right", "flat"), writes=("c",))
    assert depth_first([*operators, last], {1, 4}) == ((0, 3), (2, 5))
    reads_both = replace(last, reads=("left", "right", "flat"))
    assert depth_first([*operators, reads_both], {1, 4}) == ((0,), (2, 3), (5,))


def test_depth_first_reshape_between_two_of_the_processor_is_a_copy():
    operators = chain(("x", "a"), ("a", "b"), ("b", "flat"), ("flat", "c"), ("c", "d"))
    operators[2] = replace(operators[2], type="RESHAPE")
    assert depth_first(operators, {1, 3}) == ((0,), (2,), (4,))


def test_depth_first_circle_stands_in_none():
    assert depth_first(chain(("b", "a"), ("a", "b"), ("x", "c")), ()) == ((2,),)
    assert depth_first(chain(("x", "a"), ("a", "b")), {0, 1}) == ()


def test_depth_first_of_many_alternating_operators_takes_a_moment():
    count = 20_000
    operators = chain(*((f"v{i}", f"v{i + 1}") for i in range(count)))
    start = time.process_time()
    assert len(depth_first(operators, frozenset(range(1, count, 2)))) == count // 2
    assert time.process_time() - start < 2
