"""Tells in how many cells the lab's tools did what the rules predict; with --output also between a document's markers.

    python benchmarks/lab_cells.py FILE... [--device NAME ...] [--output docs/device-lab.md]

A row a network, which is a file's name up to its last dash; a column a tool; each "equal of all". What differs is told
on stdout, and then the exit code is 1.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from markers import find_place, today, write_table

import edge_deeplab as ed
from edge_deeplab.lab.report import Cell, LabReport
from edge_deeplab.text import markdown

TABLE = "count of cells"


def main() -> None:
    """Ask the tools and write what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--device", action="append", default=[], metavar="NAME")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.output:
        find_place(arguments.output, TABLE)
    report = ed.lab(arguments.files, devices=arguments.device)
    if arguments.output:
        write_table(arguments.output, TABLE, table_lines(report))
    asked = asked_of(report)
    differing = [cell for cell in asked if not cell.predicted_equal]
    for cell in differing:
        told = "; ".join(cell.differences) or cell.error or "the tool does not tell"
        sys.stdout.write(f"{cell.path} {cell.device}: {told}\n")
    sys.stdout.write(f"{equal_of(asked)} cells as predicted\n")
    sys.exit(1 if differing else 0)


def asked_of(report: LabReport) -> list[Cell]:
    """Return the cells that a tool was asked for."""
    return [cell for cell in report.cells if cell.tool]


def table_lines(report: LabReport) -> list[str]:
    """Return the counts as a table in Markdown."""
    asked = asked_of(report)
    tools = list(dict.fromkeys(cell.tool for cell in asked))
    networks = sorted({network_of(cell) for cell in asked})
    rows = [(name, [cell for cell in asked if network_of(cell) == name]) for name in networks]
    return [
        f"{today()}; asked: {', '.join(report.tools) or 'no tool'}.",
        "",
        f"| network | files | {' | '.join(map(str, tools))} | all |",
        "|---" * (3 + len(tools)) + "|",
        *(
            f"| {markdown(name)} | {len({cell.path for cell in cells})} | "
            + " | ".join(equal_of([cell for cell in cells if cell.tool == tool]) for tool in tools)
            + f" | {equal_of(cells)} |"
            for name, cells in [*rows, ("all", asked)]
        ),
    ]


def network_of(cell: Cell) -> str:
    """Return the name of a cell's network."""
    return cell.path.stem.rpartition("-")[0] or cell.path.stem


def equal_of(cells: Sequence[Cell]) -> str:
    """Return how many cells came out as predicted, of how many."""
    return f"{sum(bool(cell.predicted_equal) for cell in cells)} of {len(cells)}"


if __name__ == "__main__":
    main()
