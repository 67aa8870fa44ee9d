"""Parity: does the exported file still score what the reference scores, on the same images?

One pass: each image goes once through the reference (at every artifact's input size) and through every artifact, so
nothing but counts is kept, however large the set. An artifact that cannot be opened or fails on the way keeps its error
as its result and the others go on; the verdict comes last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.errors import DataError, checking
from edge_deeplab.evaluation.ci import parity_junit, parity_markdown
from edge_deeplab.evaluation.class_map import ClassMap
from edge_deeplab.evaluation.drift import plot
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.evaluation.metrics import Ids
from edge_deeplab.evaluation.plots import check_plot
from edge_deeplab.evaluation.reference import choose_reference, open_reference
from edge_deeplab.evaluation.replay_trial import open_replays
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.files import check_outputs, write_atomically
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.outputs import Output, write_all
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime

MAX_DROP = 0.5
"""Largest loss of mIoU points that passes where nothing else is asked for."""


if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint


class MakeTrial(Protocol):
    """Makes a trial of a file, at one of its sizes where it lists several."""

    def __call__(self, path: Path, tally: Tally, *, listed_hw: Size | None = None) -> Trial: ...


@dataclass(frozen=True, kw_only=True)
class ParityRequest(ScoringRequest):
    """Which files are held against what.

    Args:
        artifacts: exported files, or folders that export wrote; None for those of `exports/`, with masks for none.
        masks: folders of class maps that devices made of the images, and of themselves `replay.json`; where the file
            that a device ran is among the artifacts, the two are compared.
        reference: a checkpoint's path or shipped name; None for the one that the artifacts name, else the shipped one.
        canonical: run the reference as its canonical graph: what a file's converter and runtime alone change.
        max_drop: largest loss of mIoU points that passes.
        explain: also follow, layer by layer on the first image, where the difference arises.
        plot: draw what that found to this .png, .svg or .pdf file, which asks for `explain`.
        junit: write what was found as JUnit XML.
        markdown: write it as a short page of Markdown, for a pull request.
        fail_inconclusive: what is inconclusive is a failure in the JUnit file, not a skipped test.

    Raises:
        ConfigError: for an unknown runtime, or when the plot's ending is none of these.
        MissingDependencyError: when a plot is asked for without matplotlib.
        OutputError: when it, or one of the files, could not be written.
    """

    artifacts: tuple[Path, ...] | None = None
    masks: tuple[Path, ...] = ()
    reference: "str | Checkpoint | None" = None
    canonical: bool = False
    max_drop: float = MAX_DROP
    explain: bool = False
    plot: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    fail_inconclusive: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plot is not None:
            with checking("plot"):
                check_plot(self.plot)
        check_outputs(*self.written, read=self.read)

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that are written."""
        asked = (self.plot, self.junit, self.markdown)
        return tuple(path for path in asked if path is not None)

    @property
    def read(self) -> tuple[Path, ...]:
        """What is read by a path of its own."""
        return (*(self.artifacts or ()), *self.masks, *self.files_beside(self.reference))


def parity(request: ParityRequest, progress: Progress = SILENT) -> ParityReport:
    """Score exported files against their reference, on the same images, and write what was asked for beside.

    Args:
        request: what is asked for.
        progress: told of each file that is opened and of each prediction.

    Raises:
        EdgeDeepLabError: as for `score_files`.
        UnwrittenError: with the report, when a file that was asked for cannot be written.
    """
    report = score_files(request, progress)
    write_all(report, outputs_of(report, request, progress))
    return report


def score_files(
    request: ParityRequest, progress: Progress = SILENT, make_trial: MakeTrial = Trial
) -> ParityReport:
    """Score exported files against their reference, on the same images; nothing is written.

    Args:
        request: what is asked for.
        progress: told of each file that is opened and of each prediction.
        make_trial: what a file becomes on its way, for who also wants to see its class maps.

    Raises:
        ConfigError: when a folder lists no artifacts, artifacts were exported from different checkpoints and no
            reference was asked for, or the class map cannot be used.
        CheckpointError: when the reference is not found.
        DataError: when the set is empty, or an image or mask cannot be read.
        MissingDependencyError: without torch, which runs the reference.
    """
    alone = request.artifacts is None and request.masks
    paths = [] if alone else expand_artifacts(request.artifacts)
    dataset, class_map = request.open_data(), request.read_class_map()
    files = open_trials(paths, request.open_file, dataset, class_map, progress, make_trial)
    replays = open_replays(request.masks, files, dataset, class_map, progress)
    trials: list[Trial] = [*files, *replays]
    named = {
        trial.path: trial.description
        for trial in files
        if trial.contestant is not None and trial.description is not None
    }
    is_any_open = any(trial.contestant is not None for trial in trials)
    reference = choose_reference(request.reference, named, progress) if is_any_open else None
    checkpoint = reference if isinstance(reference, Path | None) else reference.path

    def open_at(size_hw: Size) -> Runtime:
        assert reference is not None, "a reference is opened only for artifacts that were opened"
        return open_reference(reference, size_hw, canonical=request.canonical)

    report = measure_parity(trials, checkpoint, open_at, dataset, request.max_drop, progress)
    return _explained(report, request, dataset, progress)


def outputs_of(
    report: ParityReport, request: ParityRequest, progress: Progress = SILENT
) -> tuple[Output, ...]:
    """Return the files that a request asks for beside its report; a plot where something was explained.

    Args:
        report: what was found.
        request: what is asked for.
        progress: told when the plot is drawn.
    """

    def draw(path: Path) -> None:
        progress.begin(f"drawing {path.name}")
        plot(report.chains, path)

    def write_junit(path: Path) -> None:
        write_atomically(path, parity_junit(report, fail_inconclusive=request.fail_inconclusive))

    def write_markdown(path: Path) -> None:
        write_atomically(path, parity_markdown(report))

    asked = (
        (request.plot if report.chains else None, draw),
        (request.junit, write_junit),
        (request.markdown, write_markdown),
    )
    return tuple(Output(path, partial(write, path)) for path, write in asked if path is not None)


def _explained(
    report: ParityReport,
    request: ParityRequest,
    dataset: SegmentationDataset,
    progress: Progress,
) -> ParityReport:
    """Return the report with the chain of every file that was measured, where that is asked for."""
    if not (request.explain or request.plot):
        return report
    from edge_deeplab.evaluation.explain import explain_report

    found = explain_report(report, [dataset[0].image_hwc], progress)
    chains = tuple(chain for (chain,) in found)
    return replace(report, chains=chains)


def open_trials(
    paths: Sequence[Path],
    open_file: Callable[..., Runtime],
    dataset: SegmentationDataset,
    class_map: ClassMap | None = None,
    progress: Progress = SILENT,
    make_trial: MakeTrial = Trial,
) -> list[Trial]:
    """Open artifacts, each at every size that it lists.

    One that cannot be opened, or does not fit the data set, is a trial that has failed already.

    Args:
        paths: the artifacts.
        open_file: opens one, as `edge_deeplab.runtimes.open_artifact` does.
        dataset: what they will be measured on.
        class_map: what the ids of files without self-description mean.
        progress: told of each that is opened.
        make_trial: as for `score_files`.
    """
    trials = [
        make_trial(path, Tally(dataset), listed_hw=size)
        for path in paths
        for size in sizes_of(path)
    ]
    for trial in trials:
        progress.begin(f"opening {trial.path.name}")
        trial.open(open_file, dataset, class_map)
    return trials


def measure_parity(
    trials: Sequence[Trial],
    reference_path: Path | None,
    open_reference: Callable[[Size], Runtime],
    dataset: SegmentationDataset,
    max_drop: float = MAX_DROP,
    progress: Progress = SILENT,
) -> ParityReport:
    """Run the images through the reference and every opened artifact.

    Args:
        trials: from `open_trials`.
        reference_path: the reference checkpoint, for the report; None where no artifact could be opened.
        open_reference: gives the reference at an input size (height, width).
        dataset: the labelled images.
        max_drop: largest loss of mIoU points that passes.
        progress: told of each prediction.

    Raises:
        DataError: when the set is empty, or an image or mask cannot be read.
        EdgeDeepLabError: whatever the reference itself fails with.
    """
    if not len(dataset):
        raise DataError(f"data set {dataset.name} has no images; at least one was expected")
    sizes = dict.fromkeys(t.contestant.size_hw for t in trials if t.contestant is not None)
    references: dict[Size, tuple[Contestant, Tally]] = {}
    for size in sizes:
        progress.begin(f"loading torch and the reference at {size[0]}x{size[1]}")
        references[size] = Contestant(open_reference(size), dataset), Tally(dataset)
    if references:
        _run_images(trials, references, dataset, progress)
    evaluations = {size: tally.evaluation(own) for size, (own, tally) in references.items()}
    artifacts = tuple(trial.against(evaluations, max_drop) for trial in trials)
    return ParityReport(reference_path, tuple(evaluations.values()), artifacts, len(dataset))


def _run_images(
    trials: Sequence[Trial],
    references: Mapping[Size, tuple[Contestant, Tally]],
    dataset: SegmentationDataset,
    progress: Progress,
) -> None:
    """Run every image through the references and every opened artifact, and count what they give, in place."""
    running = [trial for trial in trials if trial.contestant is not None]
    predictions = len(dataset) * (len(references) + len(running))
    progress.begin(f"parity of {len(running)} files on {dataset.name}", predictions, "predictions")
    for index in range(len(dataset)):
        sample = dataset[index]
        reference_ids: dict[Size, Ids] = {}
        for size, (reference, tally) in references.items():
            reference_ids[size], latency_ms = reference.predict(sample.image_hwc)
            tally.add(sample, reference_ids[size], latency_ms)
            progress.advance()
        for trial in running:
            trial.run(sample, reference_ids)
            progress.advance()
