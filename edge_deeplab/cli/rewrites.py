"""`edge-deeplab rewrites`: what an export changes in the graph, always or when asked to."""

from typing import TYPE_CHECKING

from edge_deeplab import api
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.converters.rewrites.catalogue import RewriteList


def rewrites(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the graph rewrites: what each does, what is proven of the outputs, and what asks for it.

    Example: edge-deeplab rewrites --json
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        found = api.rewrites()
        if as_json:
            print_json(found.to_json())
            return
        from edge_deeplab.cli.terminal import stdout_console

        stdout_console().print(_table(found))


def _table(found: "RewriteList") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    table = FittingTable("rewrite", title="rewrites", show_lines=True)
    table.add_prose("does", "outputs", "runs")
    for own in found.always:
        table.add_row(own.name, own.does, own.equality, f"always, on {own.runs_on}")
    for name, asked in found.asked.items():
        table.add_row(name, asked.does, asked.equality, asked.asked_by)
    return table
