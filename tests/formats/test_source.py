import pytest

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.source import (
    ENTRY_BYTES,
    RECORD_BYTES,
    ReadingBudget,
    read_bytes,
    unreadable,
)


def test_budget_within_the_total_gives_the_count_back():
    budget = ReadingBudget(10)
    assert budget.spend(4) == 4
    assert budget.spend(6) == 6


def test_budget_spent_by_many_small_counts_ends_too():
    budget = ReadingBudget(10)
    for _ in range(10):
        budget.spend(1)
    with pytest.raises(ValueError, match="asks for more memory"):
        budget.spend(1)


def test_budget_negative_count_is_refused():
    with pytest.raises(ValueError, match="asks for more memory"):
        ReadingBudget(10).spend(-1)


def test_budget_names_its_limit_and_whose_it_is():
    with pytest.raises(ValueError, match=r"than the 16 MiB .* a limit of the checker, not"):
        ReadingBudget.for_file(1000).spend(1 << 25)


def test_budget_of_a_small_file_holds_twenty_thousand_operators():
    budget = ReadingBudget.for_file(458_000)
    assert budget.spend(20_000, RECORD_BYTES) == 20_000
    assert budget.spend(60_000, ENTRY_BYTES) == 60_000


def test_read_bytes_of_an_absent_file_says_what_it_should_be(tmp_path):
    with pytest.raises(ArtifactError, match=r"No such file.*; a result was expected"):
        read_bytes(tmp_path / "absent", wanted="a result")


def test_unreadable_shows_nothing_that_steers_a_terminal(tmp_path):
    error = unreadable(tmp_path, "a model", "a \x1b[31mred\x07 \u202ename")
    assert "a \ufffd[31mred\ufffd \ufffdname" in str(error)


def test_read_bytes_of_a_folder_names_the_path(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_bytes(tmp_path)


def test_unreadable_long_reason_is_cut_to_one_line(tmp_path):
    error = unreadable(tmp_path, "a model", "x" * 1000 + "\nsecond line")
    assert len(str(error)) < 400 + len(str(tmp_path))
    assert "second" not in str(error)
