"""Finished files under stable names: what a chain was run for, beside the steps that it was run in."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.compress.measures import Document, Exported
from edge_deeplab.compress.pareto import draw_pareto
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.summary import CHECKPOINTS_FOLDER, EXPORTS_FOLDER
from edge_deeplab.compress.tables import report_markdown
from edge_deeplab.converters.manifest import MANIFEST, write_manifest
from edge_deeplab.files import remove_leftovers, replace_when_complete, write_atomically

REPORT, TABLE, PLOT = "report.json", "report.md", "pareto.png"


def gather(
    output: Path, stages: Sequence[Stage], exports: Sequence[Exported], report: Document
) -> None:
    """Copy checkpoints and artifacts out of their steps and write the report, each file or folder atomically.

    Args:
        output: folder of the run.
        stages: of which those that a step made are kept.
        exports: their artifacts.
        report: from `summarise`.

    Raises:
        OutputError: when something cannot be written.
    """
    for name in (CHECKPOINTS_FOLDER, EXPORTS_FOLDER, REPORT, TABLE, PLOT):
        remove_leftovers(output / name)
    trained = [stage.checkpoint.path for stage in stages if stage.made_by is not None]
    if trained:
        with replace_when_complete(output / CHECKPOINTS_FOLDER) as folder:
            _copy(trained, folder)
    if exports:
        with replace_when_complete(output / EXPORTS_FOLDER) as folder:
            _copy([path for e in exports for path in e.files.values()], folder)
            write_manifest(folder, [entry for e in exports for entry in _manifest(e)])
    write_atomically(output / REPORT, json.dumps(report, indent=2, allow_nan=False) + "\n")
    write_atomically(output / TABLE, report_markdown(report))
    if any(entry["miou"] is not None for entry in report["files"]):
        with replace_when_complete(output / PLOT) as temporary:
            draw_pareto(report, temporary)


def _copy(paths: Sequence[Path], folder: Path) -> None:
    folder.mkdir()
    for path in paths:
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copyfile(path, folder / path.name)


def _manifest(exported: Exported) -> list[Document]:
    entries: list[Document] = json.loads((exported.done.folder / MANIFEST).read_text())["artifacts"]
    return entries
