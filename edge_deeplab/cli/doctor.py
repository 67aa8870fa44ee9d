"""`edge-deeplab doctor`: does the installed set of converters and runtimes work, on a tiny model, before a long run?"""

from typing import TYPE_CHECKING

import typer

from edge_deeplab import api
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from edge_deeplab.evaluation.doctor import Diagnosis


def doctor(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Export a tiny model to each target, run it and compare it with torch; exit code 1 when an installed target fails.

    Example: edge-deeplab doctor --json
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        with drawn_progress() as progress:
            diagnosis = api.doctor(progress=progress)
        if as_json:
            print_json(diagnosis.to_json())
        else:
            _show(diagnosis)
        if not diagnosis.passed:
            raise typer.Exit(1)


def _show(diagnosis: "Diagnosis") -> None:
    """Print one line a target, the machines that previews are limited to, and versions beside tested ones."""
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.extras import Computer

    for finding in diagnosis.targets:
        say(f"{finding.target:10} {finding.state:8} {finding.detail}")
    for finding in diagnosis.targets:
        if finding.limits is not None:
            say(f"{finding.target}, {finding.limits.told(Computer.this())}")
    table = FittingTable("package", "installed", "tested", "note")
    for found in diagnosis.versions:
        note = "" if found.installed in (found.tested, None) else "differs"
        table.add_row(found.package, found.installed or "absent", found.tested, note)
    stdout_console().print(table)
