"""What is written beside a result: each output is tried, and no failure takes the result away."""

from pathlib import Path

import pytest

from edge_deeplab.errors import DataError, OutputError, UnwrittenError
from edge_deeplab.files import write_atomically
from edge_deeplab.outputs import Output, write_all


def test_every_output_is_tried_and_the_result_kept_where_some_fail(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below, drawn, page = tmp_path / "file" / "a.xml", tmp_path / "b.png", tmp_path / "c.html"

    def draw() -> None:
        raise ValueError("no band\nand more")

    def render() -> None:
        raise DataError("an image is gone; it was expected; put it back")

    last = tmp_path / "d.md"
    outputs = (
        Output(below, lambda: write_atomically(below, "x")),
        Output(drawn, draw),
        Output(page, render),
        Output(last, lambda: write_atomically(last, "written")),
    )
    with pytest.raises(UnwrittenError) as caught:
        write_all({"miou": 65}, outputs)
    assert isinstance(caught.value, OutputError)
    assert caught.value.result == {"miou": 65}
    first, second, third = caught.value.sentences
    assert first.startswith(f"{below} cannot be written (")
    assert second == f"{drawn} was not written, the result stands: ValueError: no band"
    assert third.startswith(f"{page} was not written, the result stands: an image is gone; ")
    assert str(caught.value) == "; ".join(caught.value.sentences)
    assert last.read_text() == "written"


def test_outputs_that_are_all_written_raise_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write_all(None, [Output(path, lambda: write_atomically(path, "a"))])
    write_all(None, [])
    assert path.read_text() == "a"
