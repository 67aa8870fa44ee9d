"""`edge-deeplab check --same-quantization`: the numbers of quantized files held against each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from edge_deeplab.cli.output import print_json
from edge_deeplab.cli.terminal import say, stdout_console

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.formats.stored.comparison import Comparison

_MOST_SHOWN = 20
"""Sentences of one kind that are printed; `--json` has all."""


def show_comparison(comparison: "Comparison", *, as_json: bool) -> None:
    """Print what comparing the quantization of files found; exit code 1 when a tensor differs."""
    if as_json:
        print_json(comparison.to_json())
    else:
        _show(comparison)
    if comparison.differences:
        raise typer.Exit(1)


def _show(comparison: "Comparison") -> None:
    stdout_console().print(_stated_table(comparison))
    for sentence in (*_not_stored(comparison), *_rounded(comparison)):
        say(sentence)
    _say_first("note: ", comparison.notes)
    if comparison.differences:
        say(f"{len(comparison.differences)} differences:")
        _say_first("", comparison.differences)
    else:
        say(f"identical in {len(comparison.files)} files")


def _stated_table(comparison: "Comparison") -> "FittingTable":
    """Return what each file states: how many tensors, and how many numbers of them in which type."""
    from edge_deeplab.cli.tables import FittingTable

    table = FittingTable("file")
    columns = ("activations", "weights", "integers", "scales", "zero points", "axes", "biases")
    table.add_numbers(*columns)
    for file in comparison.files:
        stated = file.stated()
        table.add_row(
            str(file.path),
            str(stated["activations"]),
            str(stated["weights"]),
            str(stated["weight_integers"]),
            f"{stated['scales']} {stated['scale_type']}",
            str(stated["zero_points"]),
            str(stated["axes"]),
            f"{stated['bias_numbers']} {stated['bias_type']}",
        )
    return table


def _not_stored(comparison: "Comparison") -> list[str]:
    return [
        f"{file.path.name} does not store {what}"
        for file in comparison.files
        for what in file.stated()["not_stored"]
    ]


def _rounded(comparison: "Comparison") -> list[str]:
    """Return what was compared in a coarser precision than the most precise file's."""
    counts = {"scales": comparison.rounded_scales, "biases": comparison.rounded_biases}
    return [
        f"{count} {what} are equal only once rounded to the precision of the file that stores them more coarsely"
        for what, count in counts.items()
        if count
    ]


def _say_first(start: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_MOST_SHOWN]:
        say(f"{start}{sentence}")
    if len(sentences) > _MOST_SHOWN:
        say(f"and {len(sentences) - _MOST_SHOWN} more, all of which --json has")
