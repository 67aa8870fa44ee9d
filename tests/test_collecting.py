"""Python's searches for cycles: rarer within, and as they were afterwards."""

import gc
from collections.abc import Iterator

import pytest

from edge_deeplab.collecting import collecting_rarely


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def thresholds_within_a_call_that_fails() -> tuple[int, int, int]:
    @collecting_rarely()
    def fail() -> None:
        found.append(gc.get_threshold())
        raise KeyError

    found: list[tuple[int, int, int]] = []
    with pytest.raises(KeyError):
        fail()
    return found[0]


@pytest.mark.parametrize("given", [(700, 10, 10), (100_000, 5, 1000)])
def test_collecting_is_rarer_within_and_as_before_afterwards(given: tuple[int, int, int]) -> None:
    gc.set_threshold(*given)
    within = thresholds_within_a_call_that_fails()
    assert all(now >= before for now, before in zip(within, given, strict=True))
    assert within[0] >= 50_000
    assert gc.get_threshold() == given


def test_collecting_that_is_switched_off_stays_off() -> None:
    gc.set_threshold(0, 10, 10)
    with collecting_rarely():
        assert gc.get_threshold() == (0, 10, 10)
