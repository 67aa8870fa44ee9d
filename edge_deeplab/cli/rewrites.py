"""`edge-deeplab rewrites`: what an export changes in the graph, always or when asked to."""

from typing import TYPE_CHECKING, Any

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.errors import require

if TYPE_CHECKING:
    from rich.table import Table


def rewrites(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the graph rewrites: what each does, what is proven of the outputs, and what asks for it.

    Example: edge-deeplab rewrites --json
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        require("torch", package="torch", extra="train")
        entries = list_rewrites()
        if as_json:
            print_json({"rewrites": entries})
            return
        from edge_deeplab.cli.terminal import stdout_console

        stdout_console().print(_table(entries))


def list_rewrites() -> list[dict[str, Any]]:
    """Return every rewrite as JSON values, those that nobody has to ask for first."""
    from edge_deeplab.converters.rewrites.catalogue import ALWAYS, REWRITES

    standing = [
        {
            "name": rewrite.name,
            "does": rewrite.does,
            "equality": rewrite.equality,
            "always": True,
            "asked_by": None,
            "runs_on": rewrite.runs_on,
        }
        for rewrite in ALWAYS
    ]
    asked = [
        {
            "name": name,
            "does": rewrite.does,
            "equality": rewrite.equality,
            "always": False,
            "asked_by": rewrite.asked_by,
            "runs_on": "the modules asked for",
        }
        for name, rewrite in REWRITES.items()
    ]
    return standing + asked


def _table(entries: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    table = Table("rewrite", "does", "outputs", "runs", title="rewrites", show_lines=True)
    for entry in entries:
        runs = f"always, on {entry['runs_on']}" if entry["always"] else entry["asked_by"]
        table.add_row(entry["name"], entry["does"], entry["equality"], runs)
    return table
