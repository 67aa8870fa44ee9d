"""Rows of a classifier by the names of classes."""

import torch

from edge_deeplab.models.classifier import Rows


def test_rows_go_with_their_names() -> None:
    rows = Rows.by_name(["sky", "road", "car", "truck"], ["car", "person", "sky"])
    old = torch.arange(8.0).reshape(4, 2, 1, 1)
    taken = rows.take(old)
    assert torch.equal(taken[0], old[2])
    assert torch.equal(taken[2], old[0])
    assert 0 < taken[1].abs().max() < 0.1, "starts afresh"
    assert rows.take(old[:, 0, 0, 0]).tolist() == [4.0, 0.0, 0.0]


def test_row_of_several_classes_is_the_first() -> None:
    rows = Rows.by_name(["car", "road", "car", None], ["car"])
    assert rows.take(torch.tensor([1.0, 5.0, 3.0, 9.0])).tolist() == [1.0]


def test_fresh_rows_are_those_that_are_given() -> None:
    rows = Rows.by_name(["a"], ["b", "a"])
    assert rows.take(torch.tensor([7.0]), torch.tensor([1.0, 2.0])).tolist() == [1.0, 7.0]


def test_same_classes_in_the_same_order_change_nothing() -> None:
    assert Rows.by_name(["a", "b"], ["a", "b"]).are_those_of(2)
    assert not Rows.by_name(["a", "b"], ["b", "a"]).are_those_of(2)
    assert not Rows.by_name(["a", "b"], ["a"]).are_those_of(2)
