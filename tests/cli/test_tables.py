"""Tables of every width: what can be typed again is never cut."""

from io import StringIO

import pytest

from edge_deeplab.cli.tables import FittingTable, print_fields
from edge_deeplab.cli.terminal import Terminal, stacked, styled

NAMES = ("exports/camvid-mobilenet-edgetpu-nano-int8.tflite", "a.onnx")
REASON = "the rate is above one and the kernel was written for three by three alone, so it is slow"


def table() -> FittingTable:
    made = FittingTable("file", "rule", title="verdicts", caption="of two files")
    made.add_numbers("count", "share")
    made.add_prose("reason")
    for name in NAMES:
        made.add_row(name, "onnx-cpu.depthwise-off-the-direct-kernel", "12", "99.5%", REASON)
    return made


def printed(shown: object, width: int, *, terminal: bool = True) -> list[str]:
    file = StringIO()
    Terminal(file=file, width=width, force_terminal=terminal, color_system=None).print(shown)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 120, 160, 240])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_name_rule_or_word_is_cut_at_any_width(width: int, terminal: bool) -> None:
    lines = printed(table(), width, terminal=terminal)
    text = "\n".join(lines)
    for name in NAMES:
        assert text.count(name) == 1
    assert text.count("onnx-cpu.depthwise-off-the-direct-kernel") == 2
    assert "…" not in text
    words = text.replace("│", " ").split()
    for word in {*REASON.split()}:
        assert words.count(word) == 2 * REASON.split().count(word), word


def test_table_that_fits_is_a_table_as_wide_as_its_text_needs() -> None:
    lines = printed(table(), 240)
    assert sum(REASON in line for line in lines) == 2
    assert len({len(line) for line in lines if "│" in line}) == 1
    narrow = printed(table(), 160)
    assert max(map(len, narrow)) <= 160
    assert any(line.startswith("┏") for line in narrow)


def test_row_of_a_narrow_terminal_is_a_block_headed_by_its_first_cell() -> None:
    lines = printed(table(), 80)
    at = lines.index(NAMES[1])
    assert lines[at - 1] == ""
    assert lines[at + 1] == "  rule    onnx-cpu.depthwise-off-the-direct-kernel"
    assert lines[at + 2].startswith("  reason  the rate is above one")
    assert lines[at + 3].startswith(" " * 10 + "alone")
    assert lines[at + 4] == "  count 12, share 99.5%"
    assert lines[0] == "verdicts"
    assert lines[-1] == "of two files"
    assert max(map(len, lines)) <= 80


def test_row_stays_a_line_where_nobodys_terminal_sets_a_width() -> None:
    wide = FittingTable("file", "class")
    wide.add_numbers(*(f"column {index}" for index in range(30)))
    wide.add_row("a.onnx", "road", *("1.000",) * 30)
    (line,) = [line for line in printed(wide, 160, terminal=False) if "a.onnx" in line]
    assert line.count("1.000") == 30


def test_blocks_repeat_a_heading_that_rows_share_and_leave_empty_cells_out() -> None:
    matrix = FittingTable("device", "file", "a column that leaves no room on this terminal at all")
    matrix.add_row("ethos-u55", "a.tflite", styled("FAILED", "red"))
    matrix.add_row("", "b.tflite", "")
    matrix.add_row("", "c.tflite", stacked(["one", "two"]))
    lines = printed(matrix, 60)
    assert lines.count("ethos-u55") == 3
    assert sum("a column that" in line for line in lines) == 2
    assert [line.split()[-1] for line in lines if line.endswith(("one", "two"))] == ["one", "two"]


def test_control_characters_in_cells_of_blocks_reach_no_terminal() -> None:
    hostile = FittingTable("file", "x" * 70)
    hostile.add_row("\x1b[31ma\nb[bold]", "\x07" + "y" * 90)
    text = "\n".join(printed(hostile, 60))
    assert not {"\x1b", "\x07"} & {*text}
    assert "[31ma\ufffdb[bold]" in text


def test_line_longer_than_the_terminal_keeps_its_words_whole() -> None:
    name = "/a/folder/with/a/long/name/" + "x" * 80 + ".tflite"
    text = "\n".join(printed(f"checkpoints, exports and reports: {name} is one of them", 40))
    assert name in text


def test_fields_are_wrapped_behind_their_names() -> None:
    file = StringIO()
    console = Terminal(file=file, width=60, force_terminal=True, color_system=None)
    print_fields(console, {"rule": "x" * 70, "reason": REASON})
    lines = file.getvalue().splitlines()
    assert lines[0] == "rule    " + "x" * 70
    assert lines[1].startswith("reason  the rate")
    assert all(line.startswith(" " * 8) for line in lines[2:])
