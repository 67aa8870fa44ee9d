"""Writes the lab's matrix of files into a document, between two markers: a row a device, a column a file.

    python benchmarks/lab_matrix.py FILE... --output docs/device-lab.md

Every tool that is installed is asked; a device whose tool is not there shows what the rules predict.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from pathlib import Path

from markers import find_place, today, write_table

import edge_deeplab as ed
from edge_deeplab.lab.columns import PLACEMENT
from edge_deeplab.lab.report import Cell, LabReport
from edge_deeplab.targets import TARGETS, target_of
from edge_deeplab.text import at_size, markdown

TABLE = "matrix"


def main() -> None:
    """Ask the tools and write what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    find_place(arguments.output, TABLE)
    report = ed.lab(arguments.files)
    write_table(arguments.output, TABLE, matrix_lines(report))
    sys.exit(1 if report.failures else 0)


def matrix_lines(report: LabReport) -> list[str]:
    """Return the matrix as Markdown, a table a format."""
    lines = [
        f"{today()}; asked: {', '.join(report.tools) or 'no tool'}. {report.compared} predictions "
        f"held against tools, {report.disagreements} of them otherwise. A cell has the operators on the accelerator, "
        "in how many parts, and the milliseconds that the tool estimates.",
    ]
    for target in TARGETS:
        cells = [cell for cell in report.cells if target_of(cell.path) == target]
        if cells:
            lines += ["", *table_lines(cells)]
    reasons = dict.fromkeys(
        f"- {markdown(', '.join(kinds(operators)))}: {markdown(reason)}"
        for cell in report.cells
        if cell.tool and cell.refusal is None
        for reason, operators in cell.left_by_reason().items()
    )
    refusals = dict.fromkeys(
        f"- not taken: {markdown(c.refusal)}" for c in report.cells if c.refusal
    )
    failures = dict.fromkeys(
        f"- failed: {markdown(cell.error)}" for cell in report.failures if cell.error
    )
    told = [*reasons, *refusals, *failures]
    return [*lines, "", "What is left out, in the tools' words, and what helps:", "", *told]


def table_lines(cells: Sequence[Cell]) -> list[str]:
    """Return the table of the files of one format, a column a file and size."""
    columns = {cell.title: at_size(cell.path.stem, cell.size_hw) for cell in cells}
    shared = shared_words(list(columns.values()))
    names = [name.removeprefix(shared) for name in columns.values()]
    found = {(cell.device, cell.title): summary(cell) for cell in cells}
    return [
        f"| {cells[0].path.suffix}: {markdown(shared)}… | {' | '.join(map(markdown, names))} |",
        "|---" * (1 + len(columns)) + "|",
        *(
            f"| {device} | {' | '.join(found[device, title] for title in columns)} |"
            for device in dict.fromkeys(cell.device for cell in cells)
        ),
    ]


def shared_words(names: Sequence[str]) -> str:
    """Return what all names begin with, up to a dash; of a single one nothing."""
    return "" if len({*names}) < 2 else commonprefix(names).rpartition("-")[0] + "-"  # noqa: RUF071


def summary(cell: Cell) -> str:
    """Return a cell in a few words."""
    if cell.error is not None:
        return "failed"
    figures = {name: read(cell) for name, read in PLACEMENT.items()}
    parts, ms = figures["parts"], figures["ms"]
    words = [
        figures["operators"],
        parts and f"{parts} part{'' if parts == '1' else 's'}",
        ms and f"{ms} ms",
        None if cell.tool else "predicted",
        "**otherwise than predicted**" if cell.predicted_equal is False else None,
    ]
    return ", ".join(filter(None, words))


def kinds(operators: Iterable[str]) -> list[str]:
    """Return the types of operators that are told as "TYPE name", each once."""
    return list(dict.fromkeys(operator.partition(" ")[0] for operator in operators))


if __name__ == "__main__":
    main()
