"""The place of a measured table in a document: what stands between two comments, and nothing else, is written anew."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge_deeplab.files import write_atomically


def find_place(path: Path, name: str) -> tuple[str, str]:
    """Return a document up to a table's first marker, and from its last on.

    Ends the program where the markers are not there once.

    Args:
        path: the document.
        name: of the table, "matrix" for example.
    """
    text = path.read_text()
    begin, end = f"<!-- the {name} begins -->", f"<!-- the {name} ends -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"{path} has no place for the table; {begin} and {end} were expected")
    return text[: text.index(begin) + len(begin)], text[text.index(end) :]


def write_table(path: Path, name: str, lines: Sequence[str]) -> None:
    """Write a table in its place; the document may have changed since it was found."""
    before, after = find_place(path, name)
    write_atomically(path, "\n".join([before, *lines, after]))


def today() -> str:
    """Return the date that a table is of."""
    return f"{datetime.now(UTC):%Y-%m-%d}"
