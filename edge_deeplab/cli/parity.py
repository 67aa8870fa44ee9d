"""`edge-deeplab parity`: the mIoU of exported files against the reference they were exported from."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.options import (
    ClassMapOption,
    DataOption,
    LimitOption,
    MaxPixelsOption,
    MemoryLimitOption,
    NormalisationOption,
    RuntimeOption,
    SplitOption,
    TimeLimitOption,
    allowance,
    parse_normalisation,
)
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    finite,
    print_json,
    reading_option,
)
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.formats.artifacts import EXPORTS, expand_artifacts

if TYPE_CHECKING:
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.evaluation.explain import Explanation
    from edge_deeplab.evaluation.parity import Trial
    from edge_deeplab.evaluation.verdict import ParityReport
    from edge_deeplab.runtimes.base import Runtime


def parity(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="ARTIFACT",
            help="Exported files, or folders that export wrote; without one those of exports/.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Without it the checkpoint that the artifacts name, else the shipped one.",
        ),
    ] = None,
    canonical: Annotated[
        bool,
        typer.Option(
            "--canonical",
            help="Run the reference as its canonical graph: what a file's converter and runtime alone change.",
        ),
    ] = False,
    data: DataOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    max_drop: Annotated[
        float,
        typer.Option(min=0.0, callback=finite, help="Largest loss of mIoU points that passes."),
    ] = 0.5,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    runtime: RuntimeOption = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Also show the difference of each class.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Also say, layer by layer on one image, where the difference arises."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what --explain found (.png, .svg, .pdf)."),
    ] = None,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure what exported files score against their reference, on the same images.

    Each difference comes with a 95 % interval (paired bootstrap over images),
    the share of pixels that agree, the mIoU near label boundaries, and the
    median latency. Every failure is collected before the verdict; the exit
    code is 1 when one file fails.

    Example: edge-deeplab parity exports/*.onnx exports/*.tflite --data camvid --max-drop 0.05
    """
    foreign_pixels = parse_normalisation(normalisation)
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.data.rendered_set import resolve_dataset
        from edge_deeplab.evaluation.class_map import read_class_map
        from edge_deeplab.evaluation.parity import open_trials
        from edge_deeplab.runtimes.open import open_artifact

        if plot is not None:
            from edge_deeplab.evaluation.explain import check_plot
            from edge_deeplab.files import check_writable

            with reading_option("--plot"):
                check_plot(plot)
            check_writable(plot, "file")
        paths = expand_artifacts(artifacts or [EXPORTS], asked=bool(artifacts))
        dataset = resolve_dataset(data, split, limit=limit, max_pixels=max_pixels)
        foreign_classes = None if class_map is None else read_class_map(class_map)
        allowed = allowance(memory_limit, time_limit)
        open_file = partial(
            open_artifact, normalisation=foreign_pixels, allowance=allowed, runtime=runtime
        )
        trials = open_trials(paths, open_file, dataset, foreign_classes)
        checkpoint = _reference_of(reference, trials)
        open_reference = _reference_opener(checkpoint, canonical=canonical)
        report = _measure(trials, checkpoint, open_reference, dataset, max_drop)
        explanations = (
            _explain(report, dataset, plot, checkpoint) if explain or plot is not None else []
        )
        _show(report, explanations, as_json=as_json, per_class=per_class)
        if not report.passed or any(e.error is not None for e in explanations):
            raise typer.Exit(1)


def _measure(
    trials: "Sequence[Trial]",
    checkpoint: Path | None,
    open_reference: "Callable[[tuple[int, int]], Runtime]",
    dataset: "SegmentationDataset",
    max_drop: float,
) -> "ParityReport":
    """Return what the files score against the reference, with a bar that counts images."""
    from edge_deeplab.cli.progress import counting
    from edge_deeplab.evaluation.parity import measure_parity

    with counting(f"parity of {len(trials)} artifacts", len(dataset)) as progress:
        return measure_parity(
            trials,
            checkpoint,
            open_reference,
            dataset,
            max_drop=max_drop,
            progress=progress,
        )


def _reference_of(argument: str | None, trials: "Sequence[Trial]") -> Path | None:
    """Return the reference checkpoint; None when no artifact could be opened, so that nothing needs one."""
    from edge_deeplab.evaluation.reference import find_reference

    opened = [trial for trial in trials if trial.contestant is not None]
    if not opened:
        return None
    descriptions = {t.path: t.description for t in opened if t.description is not None}
    return find_reference(argument, descriptions)


def _reference_opener(
    checkpoint: Path | None, *, canonical: bool
) -> "Callable[[tuple[int, int]], Runtime]":
    """Return what gives the reference at an input size; the checkpoint is read when it is asked for."""

    def open_reference(size_hw: tuple[int, int]) -> "Runtime":
        require("torch", package="torch", extra="train")
        from edge_deeplab.models.checkpoint import load_checkpoint

        assert checkpoint is not None, "a reference is opened only for artifacts that were opened"
        opened = load_checkpoint(checkpoint)
        if canonical:
            from edge_deeplab.runtimes.canonical import CanonicalRuntime

            return CanonicalRuntime(opened, size_hw=size_hw)
        from edge_deeplab.runtimes.torch import TorchRuntime

        return TorchRuntime(opened, size_hw=size_hw)

    return open_reference


def _explain(
    report: "ParityReport",
    dataset: "SegmentationDataset",
    plot: Path | None,
    reference: Path | None,
) -> "list[Explanation]":
    """Return the chain of every file that was measured, by checkpoint and size, on the first image."""
    from edge_deeplab.data.transforms import resize_image
    from edge_deeplab.evaluation.explain import explain
    from edge_deeplab.evaluation.explain import plot as draw
    from edge_deeplab.evaluation.reference import file_sha256, find_reference
    from edge_deeplab.models.checkpoint import load_checkpoint

    reference_sha256 = None if reference is None else file_sha256(reference)
    groups: dict[tuple[Path, tuple[int, int]], list[Path]] = {}
    for artifact in report.artifacts:
        if artifact.evaluation is not None and artifact.description is not None:
            description = artifact.description
            source = reference
            if source is None or reference_sha256 != description.checkpoint_sha256:
                source = find_reference(None, {artifact.path: description})
            groups.setdefault((source, description.size_hw), []).append(artifact.path)
    explanations: list[Explanation] = []
    for (source, size_hw), paths in groups.items():
        image = resize_image(dataset[0].image_hwc, size_hw)
        explanations += explain(load_checkpoint(source), paths, image)
    if plot is not None and explanations:
        draw(explanations, plot)
    return explanations


def _show(
    report: "ParityReport",
    explanations: "Sequence[Explanation]",
    *,
    as_json: bool,
    per_class: bool,
) -> None:
    """Print the result on stdout and one sentence for each failure on stderr."""
    from edge_deeplab.cli.score_tables import explanation_table, parity_table, per_class_table
    from edge_deeplab.cli.terminal import stdout_console

    if as_json:
        document = report.to_json()
        if explanations:
            document["explain"] = [e.to_json() for e in explanations]
        print_json(document)
    else:
        console = stdout_console()
        console.print(parity_table(report))
        if per_class:
            console.print(per_class_table(report))
        for explanation in explanations:
            if explanation.error is None:
                console.print(explanation_table(explanation))
    unexplained = [e.error for e in explanations if e.error is not None]
    for failure in [*report.failures(), *unexplained]:
        say(f"failed: {failure}", err=True)
