"""From results of parity, bench, check and explain to the entries of a page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_deeplab.checker.report import ArtifactReport, CheckResult
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift
from edge_deeplab.evaluation.latency import BenchReport, Row
from edge_deeplab.evaluation.scores import Evaluation, TrimapBand
from edge_deeplab.evaluation.verdict import ArtifactParity, ParityReport
from edge_deeplab.files import names_apart
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.formats.sizes import Size
from edge_deeplab.report.class_scores import class_scores
from edge_deeplab.report.known import Entry, Scored
from edge_deeplab.report.lineage import Detail
from edge_deeplab.report.plots import HIGHEST_DB
from edge_deeplab.report.watching import WatchedTrial, Watcher


@dataclass(frozen=True)
class ScoredFiles:
    """What a run of parity gives a page: the reference's scores by size, and the files."""

    references: tuple[Scored, ...] = ()
    entries: tuple[Entry, ...] = ()


def fill(report: ParityReport, watcher: Watcher) -> ScoredFiles:
    """Return the scores of a run of parity.

    Args:
        report: what it found.
        watcher: whose trials its files were; rows of devices come after them.

    Raises:
        Exception: with which the watcher failed.
    """
    if watcher.error is not None:
        raise watcher.error
    references = tuple(
        scored_by(own, bands=watcher.reference_bands(own.size_hw)) for own in report.references
    )
    trials: list[WatchedTrial | None] = [*watcher.trials]
    trials += [None] * (len(report.artifacts) - len(trials))
    names = names_apart([artifact.path for artifact in report.artifacts])
    entries = (
        replace(_entry(number, artifact, trial), name=names[artifact.path])
        for number, (artifact, trial) in enumerate(zip(report.artifacts, trials, strict=True), 1)
    )
    return ScoredFiles(references, tuple(entries))


def scored_by(
    evaluation: Evaluation,
    reference: Evaluation | None = None,
    bands: tuple[TrimapBand, ...] = (),
) -> Scored:
    """Return an evaluation with its scores by class, beside a reference's where there is one."""
    against = None if reference is None else reference.confusions
    return Scored(evaluation, class_scores(evaluation.confusions, against), bands)


def _entry(number: int, artifact: ArtifactParity, trial: WatchedTrial | None) -> Entry:
    own, scored = artifact.evaluation, None
    if own is not None:
        bands = () if trial is None or trial.bands is None else trial.bands.bands()
        scored = scored_by(own, artifact.reference, bands)
    return Entry(
        number,
        artifact.path,
        bytes=None if artifact.replay else _size(artifact.path),  # class maps are no model
        parity=artifact,
        scored=scored,
        images=() if trial is None else tuple(trial.kept),
    )


def _size(path: Path) -> int | None:
    try:
        return content_bytes(path)
    except OSError:
        return None


def join(
    entries: Sequence[Entry],
    times: BenchReport | None,
    checks: Sequence[CheckResult],
    chains: Sequence[DriftChain],
) -> tuple[Entry, ...]:
    """Return entries with what else is known of their files, each at its own size where that differs by size.

    Args:
        entries: the files, those of several sizes once a size, in the order in which they list them.
        times: of each file at each of its sizes, in the same order.
        checks: of operators.
        chains: of layers.
    """
    rows: dict[Path, list[Row]] = {}
    for row in () if times is None else times.rows:
        rows.setdefault(row.path, []).append(row)
    timed = {path: iter(found) for path, found in rows.items()}
    return tuple(
        replace(
            entry,
            latency=next(timed.get(entry.path, iter(())), None),
            check=next((c for c in checks if _is_of(entry, c.path, _size_of(c))), None),
            drift=next((c for c in chains if _is_of(entry, c.path, c.size_hw)), None),
        )
        for entry in entries
    )


def _size_of(check: CheckResult) -> Size | None:
    return check.graph.size_hw if isinstance(check, ArtifactReport) else None


def _is_of(entry: Entry, path: Path, size_hw: Size | None) -> bool:
    return path == entry.path and size_hw in (None, entry.size_hw)


def mean_chain(chains: Sequence[DriftChain]) -> DriftChain:
    """Return the chain of a file over several images: of each layer the mean in decibels, up to `HIGHEST_DB`.

    Args:
        chains: of one file; the first that failed stands for all.
    """
    failed = next((chain for chain in chains if chain.error is not None), None)
    if failed is not None or len(chains) == 1:
        return failed or chains[0]
    several = [{layer.module: layer for layer in chain.layers} for chain in chains]
    layers = []
    for layer in chains[0].layers:
        if all(layer.module in found for found in several):
            snr_db = {
                step: float(
                    np.mean([min(f[layer.module].snr_db[step], HIGHEST_DB) for f in several])
                )
                for step in chains[0].steps
            }
            layers.append(LayerDrift(layer.module, layer.operator, snr_db))
    return replace(chains[0], layers=tuple(layers))


def data_facts(dataset: SegmentationDataset) -> tuple[Detail, ...]:
    """Return what is known of labelled images without reading them."""
    return (
        Detail("name", dataset.name),
        Detail("images", str(len(dataset))),
        Detail("classes", str(len(dataset.classes))),
        Detail("licence", dataset.licence or "not told"),
    )
