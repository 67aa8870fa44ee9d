"""The page from its request to its file, and its plots as pictures beside it."""

from dataclasses import replace
from pathlib import Path

from edge_deeplab.evaluation.parity import ParityRequest, outputs_of, score_files
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.files import check_outputs, write_atomically
from edge_deeplab.outputs import Output, write_all
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.report.chain import ChainWitness
from edge_deeplab.report.filling import data_facts, fill, join
from edge_deeplab.report.known import Page, WrittenReport
from edge_deeplab.report.measuring import measure
from edge_deeplab.report.named import find_named
from edge_deeplab.report.png import write_plots
from edge_deeplab.report.render import render
from edge_deeplab.report.request import ReportRequest
from edge_deeplab.report.watching import Watcher


def write_report(
    request: ReportRequest, progress: Progress = SILENT, witness: ChainWitness | None = None
) -> WrittenReport:
    """Measure what a page is about, and write it; a file that fails is an entry that says why.

    Args:
        request: what is asked for.
        progress: told of every stage.
        witness: who has seen files scored and timed already; None where nobody has.

    Raises:
        ConfigError: when the paths mean nothing that a page can be about.
        CheckpointError: when the reference that was asked for is not found or cannot be read.
        DataError: when the labelled images cannot be read, or there are none.
        MissingDependencyError: without torch or jinja2.
        UnwrittenError: with all that was measured, when the page or a plot cannot be written.
    """
    page = measure(request, find_named(request.paths), progress, witness)
    progress.begin(f"writing {request.output.name}")
    plots: list[Path] = []
    outputs = [Output(request.output, lambda: write_atomically(request.output, render(page)))]
    if (folder := request.png) is not None:
        outputs.append(Output(folder, lambda: plots.extend(write_plots(page, folder))))
    measured = WrittenReport(request.output, None, page.entries, page.notes)
    write_all(measured, outputs)
    return replace(measured, bytes=request.output.stat().st_size, plots=tuple(plots))


def parity_with_page(
    request: ParityRequest, output: Path, progress: Progress = SILENT
) -> ParityReport:
    """Run parity, write its result as a page too, and return it; for the page no file is opened or run again.

    Args:
        request: what is asked for.
        output: the page.
        progress: told of each file that is opened and of each prediction.

    Raises:
        OutputError: when the page's place cannot be written, before anything is measured.
        EdgeDeepLabError: as for `score_files`.
        UnwrittenError: with the report, when the page or another file cannot be made or written once all is measured.
    """
    check_outputs(output, read=(*request.read, *request.written))
    watcher = Watcher(request.open_data())
    found = score_files(request, progress, watcher.trial)

    def write() -> None:
        write_atomically(output, render(parity_page(found, watcher, request.max_drop)))

    write_all(found, (*outputs_of(found, request, progress), Output(output, write)))
    return found


def parity_page(found: ParityReport, watcher: Watcher, max_drop: float) -> Page:
    """Return the page of a run of parity alone.

    Args:
        found: what it found.
        watcher: that saw it.
        max_drop: largest loss of mIoU points that passes.
    """
    measured, path = fill(found, watcher), found.reference_path
    return Page(
        title="parity" if path is None else path.stem,
        max_drop=max_drop,
        data=data_facts(watcher.dataset),
        classes=tuple(watcher.dataset.classes),
        references=measured.references,
        entries=join(measured.entries, None, (), found.chains),
        remarks=found.remarks,
    )
