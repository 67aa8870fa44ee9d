import time

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


def test_place_operators_in_file_order_splits_branches_that_need_nothing_of_each_other():
    operators = [
        product(place, ("x",), (name,)) for place, name in enumerate(("a", "b", "c", "d", "e"))
    ]
    assert len(place_operators(operators, {1, 3}).partitions) == 1
    placement = place_operators(operators, {1, 3}, in_file_order=True)
    assert placement.partitions == ((0,), (2,), (4,))
    assert place_operators(operators, {1}, {2}, in_file_order=True).partitions == ((0,), (3, 4))
