"""Evaluation and parity as tables for people: what `--json` says to scripts, in the order a reader asks for it.

Cells are strings as they are spelled in files; the console that prints a table reads no markup in them.
"""

from math import isfinite

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edge_deeplab.cli.tables import FittingTable
from edge_deeplab.evaluation.deciding import ParityVerdict
from edge_deeplab.evaluation.drift import DRIFT_DB, DriftChain
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.evaluation.verdict import ArtifactParity, ParityReport
from edge_deeplab.text import size_text

_VERDICTS = {
    ParityVerdict.PASSED: ("passed", "green"),
    ParityVerdict.FAILED: ("FAILED", "bold red"),
    ParityVerdict.INCONCLUSIVE: ("inconclusive", "yellow"),
}


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return the IoU of each class, and the scores of the set below."""
    table = Table("class", show_footer=True)
    table.columns[0].footer = Text("mIoU\npixel accuracy\nboundary mIoU")
    footer = Text(
        f"{_points(evaluation.miou)}\n{_fraction(evaluation.pixel_accuracy)}"
        f"\n{_points(evaluation.boundary_miou)}"
    )
    table.add_column("IoU", justify="right", footer=footer)
    for name, iou in evaluation.per_class.items():
        table.add_row(name, _points(iou))
    return table


def trimap_table(evaluation: Evaluation) -> Table:
    """Return the scores within each band along label boundaries."""
    table = Table(title="near label boundaries")
    for header in ("pixels on each side", "mIoU", "pixel accuracy"):
        table.add_column(header, justify="right")
    for band in evaluation.trimap:
        table.add_row(str(band.width_px), _points(band.miou), _fraction(band.pixel_accuracy))
    return table


def parity_table(report: ParityReport) -> FittingTable:
    """Return the reference's scores and below them every artifact's, with its difference and verdict."""
    title = f"parity on {report.images} images"
    table = FittingTable("artifact", "size", "runtime", title=title)
    table.add_numbers("mIoU", "difference", "95 % interval", "agreement", "boundary", "ms")
    table.add_names("verdict")
    for reference in report.references:
        table.add_row(*_reference_row(report, reference), end_section=True)
    for artifact in report.artifacts:
        table.add_row(*_artifact_row(artifact))
    return table


def replay_table(report: ParityReport) -> FittingTable:
    """Return what devices say of themselves, and how their class maps compare with the same file's here."""
    table = FittingTable("masks", "device", "accelerator", title="class maps of devices")
    table.add_numbers("as the same file here", "pixels of no class")
    for artifact in report.replays:
        if artifact.replay is None:
            continue
        found, account = artifact.replay, artifact.replay.account
        use = account.accelerator
        agreement = found.runtime_agreement
        table.add_row(
            artifact.path.name,
            f"{account.device}, {account.os}",
            use.got if use.got == use.asked else f"{use.got} ({use.asked} was asked)",
            f"{agreement:.5f}" if isfinite(agreement) else "not compared",
            "not known" if found.no_class is None else str(found.no_class.count),
        )
    return table


def chain_table(chain: DriftChain) -> FittingTable:
    """Return the layers of a file's chain; below, for each step, the first that drifts and the worst."""
    table = FittingTable("module", title=f"{chain.title}: SNR in dB against the step before")
    table.add_numbers(*chain.steps)
    for layer in chain.layers:
        numbers = (layer.snr_db[step] for step in chain.steps)
        table.add_row(layer.module, *(_decibels(n, DRIFT_DB) for n in numbers))
    table.add_section()
    first = [chain.first_drift(step) for step in chain.steps]
    table.add_row(f"first below {DRIFT_DB:.0f} dB", *(f.module if f else "none" for f in first))
    table.add_row("worst", *(chain.worst(step).module for step in chain.steps))
    return table


def _decibels(number: float, threshold: float) -> Text:
    return Text(f"{number:.1f}", "red" if number < threshold else "")


def per_class_table(report: ParityReport) -> FittingTable:
    """Return each class's IoU of the reference and the differences of every artifact that was measured."""
    measured = [a for a in report.artifacts if a.evaluation is not None]
    title = "IoU by class: the reference, and each artifact's difference"
    table = FittingTable("class", title=title)
    table.add_numbers(*(f"reference {size_text(own.size_hw)}" for own in report.references))
    table.add_numbers(*(artifact.path.name for artifact in measured))
    for name in report.references[0].per_class if report.references else ():
        own = [_points(reference.per_class[name]) for reference in report.references]
        table.add_row(name, *own, *(_difference(a.per_class_delta[name]) for a in measured))
    return table


def _reference_row(report: ParityReport, reference: Evaluation) -> list[str]:
    path = report.reference_path
    return [
        "reference" if path is None else f"reference: {path.name}",
        size_text(reference.size_hw),
        reference.runtime,
        _points(reference.miou),
        *("", "", ""),
        _points(reference.boundary_miou),
        f"{reference.latency_ms:.1f}",
        "",
    ]


def _artifact_row(artifact: ArtifactParity) -> list[RenderableType]:
    verdict = Text(*_VERDICTS[artifact.verdict])
    name, runtime = artifact.path.name, artifact.runtime or ""
    evaluation = artifact.evaluation
    if evaluation is None:
        return [name, "", runtime, *("-",) * 6, verdict]
    low, high = artifact.delta_interval
    return [
        name,
        size_text(evaluation.size_hw),
        runtime,
        _points(evaluation.miou),
        _difference(artifact.delta_miou),
        f"{_difference(low)} to {_difference(high)}" if isfinite(low) else "-",
        f"{artifact.pixel_agreement:.5f}",
        _points(evaluation.boundary_miou),
        f"{evaluation.latency_ms:.1f}",
        verdict,
    ]


def _points(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "-"


def _fraction(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) else "-"


def _difference(value: float) -> str:
    return f"{value:+.3f}" if isfinite(value) else "-"
