"""The face's verbs that measure: evaluate, parity, bench, the chain of all, and what is installed and shipped."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge_deeplab.api.files import load
from edge_deeplab.api.keywords import checked
from edge_deeplab.api.named import (
    Artifacts,
    to_folder,
    to_folders,
    to_path,
    to_path_or_none,
    to_paths,
    to_size,
    types,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.progress import SILENT, Progress


@checked
def evaluate(
    model: "str | Path | types.Checkpoint | None" = None,
    *,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    output_stride: int | None = None,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    fuse: "types.Fuse" = "average",
    size_hw: tuple[int, int] | None = None,
    crf: "types.DenseCrf | None" = None,
    trimap: Sequence[int] = (),
    plot: str | Path | None = None,
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    threshold: float | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    allow_pickle: bool = False,
    unsafe_pickle: bool = False,
    progress: Progress = SILENT,
) -> "types.Evaluation":
    """Score a checkpoint, or an exported file, on a labelled set.

    Keywords are the fields of `evaluation.evaluate.EvaluateRequest`; results and errors are those of
    `evaluation.evaluate.evaluate`.
    """
    from edge_deeplab.evaluation import evaluate as layer

    request = layer.EvaluateRequest(
        model=_named(model),
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        label_map=label_map,
        output_stride=output_stride,
        scales=tuple(scales),
        flip=flip,
        fuse=fuse,
        size_hw=to_size(size_hw),
        crf=crf,
        trimap=tuple(trimap),
        plot=to_path_or_none("plot", plot),
        class_map=class_map,
        normalisation=normalisation,
        threshold=threshold,
        runtime=runtime,
        allowance=allowance,
        allow_pickle=allow_pickle,
        unsafe_pickle=unsafe_pickle,
    )
    return layer.evaluate(request, progress)


@checked
def parity(
    artifacts: Artifacts | None = None,
    *,
    masks: str | Path | Sequence[str | Path] = (),
    reference: "str | Path | types.Checkpoint | None" = None,
    canonical: bool = False,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    max_drop: float = 0.5,
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    threshold: float | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    explain: bool = False,
    plot: str | Path | None = None,
    on: str | None = None,
    junit: str | Path | None = None,
    markdown: str | Path | None = None,
    fail_inconclusive: bool = False,
    html: str | Path | None = None,
    progress: Progress = SILENT,
) -> "types.ParityReport":
    """Score exported files against the checkpoint that they were exported from, on the same images.

    Keywords are the fields of `evaluation.parity.ParityRequest`; results and errors are those of
    `evaluation.parity.parity`. A file that fails is an entry of the result, not an exception. `on` names a device of
    the lab, by its profile, whose simulator or accelerator runs the files (`lab.scoring.DeviceParityRequest`).
    `masks` are folders of class maps that devices made, each a row of the result. `html` is where the result is also
    written as one page (`report.writing.parity_with_page`).
    """
    from edge_deeplab.evaluation import parity as layer
    from edge_deeplab.lab.scoring import DeviceParityRequest

    make = layer.ParityRequest if on is None else partial(DeviceParityRequest, on=on)
    request = make(
        artifacts=None if artifacts is None else to_paths(artifacts),
        masks=to_folders("masks", masks),
        reference=_named(reference),
        canonical=canonical,
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        label_map=label_map,
        max_drop=max_drop,
        class_map=class_map,
        normalisation=normalisation,
        threshold=threshold,
        runtime=runtime,
        allowance=allowance,
        explain=explain,
        plot=to_path_or_none("plot", plot),
        junit=to_path_or_none("junit", junit),
        markdown=to_path_or_none("markdown", markdown),
        fail_inconclusive=fail_inconclusive,
    )
    if html is None:
        return layer.parity(request, progress)
    from edge_deeplab.report.writing import parity_with_page

    return parity_with_page(request, to_path("html", html), progress)


@checked
def measure_flicker(
    artifacts: Artifacts | None = None,
    *,
    reference: "str | Path | types.Checkpoint | None" = None,
    data: str | Path | None = None,
    split: str = "test",
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    class_map: "types.ClassMap | str | Path | None" = None,
    normalisation: "types.Normalisation | None" = None,
    threshold: float | None = None,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    progress: Progress = SILENT,
) -> "types.FlickerReport":
    """Measure how class maps of exported files flicker from frame to frame, as they are and smoothed over time.

    Keywords are the fields of `evaluation.flicker.FlickerRequest`; results and errors are those of
    `evaluation.flicker.measure_flicker`. `data` may be a folder of photographs without labels, which then give no mIoU.
    A file that fails is an entry of the result, not an exception.
    """
    from edge_deeplab.evaluation import flicker as layer

    request = layer.FlickerRequest(
        artifacts=None if artifacts is None else to_paths(artifacts),
        reference=_named(reference),
        data=to_path_or_none("data", data),
        split=split,
        limit=limit,
        max_pixels=max_pixels,
        label_map=label_map,
        class_map=class_map,
        normalisation=normalisation,
        threshold=threshold,
        runtime=runtime,
        allowance=allowance,
    )
    return layer.measure_flicker(request, progress)


@checked
def bench(
    artifacts: Artifacts,
    *,
    size_hw: tuple[int, int] | None = None,
    threads: int | None = None,
    rounds: int = 30,
    runtime: str | None = None,
    allowance: "types.Allowance | None" = None,
    progress: Progress = SILENT,
) -> "types.BenchReport":
    """Time exported files side by side, in one interleaved run.

    Keywords are the fields of `evaluation.bench.BenchRequest`; results and errors are those of
    `evaluation.bench.bench`. A file that fails is a row of the result, not an exception.
    """
    from edge_deeplab.evaluation import bench as layer

    request = layer.BenchRequest(
        artifacts=to_paths(artifacts),
        size_hw=to_size(size_hw),
        threads=threads,
        rounds=rounds,
        runtime=runtime,
        allowance=allowance,
    )
    return layer.bench(request, progress)


@checked
def models(
    *,
    size_hw: tuple[int, int] | None = None,
    output_stride: int | None = None,
    progress: Progress = SILENT,
) -> "types.ModelList":
    """Return which networks can be built, what each costs, and the shipped checkpoints with their measured scores.

    Args:
        size_hw: pixels of the image that they are counted at; None: 512x512.
        output_stride: 8, 16 or 32; None: each network's own.
        progress: told of each model that is counted.

    Raises:
        ConfigError: when there is no such stride.
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.evaluation.cost import SIZE_HW, list_models

    return list_models(progress, size_hw=to_size(size_hw) or SIZE_HW, output_stride=output_stride)


@checked
def doctor(*, progress: Progress = SILENT) -> "types.Diagnosis":
    """Export a tiny model to each target, run it and compare it with torch: whether the installed set works.

    Args:
        progress: told of each target.

    Raises:
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.evaluation.doctor import examine

    return examine(progress)


@checked
def compress(
    checkpoint: "types.NamedCheckpoint" = None,
    *,
    data: str | Path,
    recipe: "types.NamedChain",
    output: str | Path,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    label_map: "types.NamedLabelMap" = None,
    html: str | Path | None = None,
    progress: Progress = SILENT,
) -> "types.ChainReport":
    """Prune, quantize, export, check, score and time in steps that are never done twice; stopped anywhere it goes on.

    Args:
        checkpoint: a float checkpoint, as for `load`; also the reference of all scores.
        data: as for `train`.
        recipe: a `CompressRecipe`, what its file would hold, or its path; a section that is left out leaves its steps
            out.
        output: folder of checkpoints, exports, report.json, report.md and pareto.png.
        workers: processes that draw crops.
        max_pixels: a larger image is refused.
        label_map: as for `train`.
        html: where `report` of the folder is also written as one page, on the images that the recipe scores.
        progress: told a line a step, and what a step tells.

    Raises:
        ConfigError: when the recipe or the checkpoint cannot be used.
        DataError: when a split is missing, has other classes, or fewer images than a batch.
        MissingDependencyError: when a step's package is not installed.
        StepError: when a step fails; the steps before it are kept.
        OutputError: when another chain is at work in the folder, or it or the page cannot be written; once all is
            measured with the report (`UnwrittenError`).
    """
    progress.begin("loading torch")
    from edge_deeplab.compress.chain import compress as run
    from edge_deeplab.compress.job import STEPS_FOLDER, Job
    from edge_deeplab.config import CompressRecipe, ParitySection
    from edge_deeplab.data.inspection.glance import tell_data
    from edge_deeplab.files import check_outputs
    from edge_deeplab.outputs import Output
    from edge_deeplab.recipes import recipe_from

    chosen = recipe_from(CompressRecipe, recipe)
    folder = to_path("output", output)
    page = to_path_or_none("html", html)
    read = (Path(given) for given in (checkpoint, recipe) if isinstance(given, str | Path))
    check_outputs(page, folders=(folder,), read=read)
    labelled = to_folder(data, max_pixels, label_map)
    trained = [split for each in (chosen.prune, chosen.qat) if each for split in each.data.splits]
    if trained and not (folder / STEPS_FOLDER).exists():  # a chain that goes on has said it
        tell_data(labelled, tuple(dict.fromkeys(trained)), progress)
    start = load(checkpoint)
    if page is None:
        return run(start, chosen, Job(labelled, folder, workers, progress))
    from edge_deeplab.report import writing
    from edge_deeplab.report.chain import ChainWitness
    from edge_deeplab.report.request import ReportRequest

    witness, scored = ChainWitness(), chosen.parity or ParitySection()

    def write() -> None:
        request = ReportRequest(
            paths=(folder,),
            output=page,
            data=labelled.path,
            split=scored.split,
            limit=scored.limit,
            max_pixels=max_pixels,
            label_map=label_map,
            reference=str(start.path),
            max_drop=scored.max_drop,
        )
        writing.write_report(request, progress, witness)

    job = Job(labelled, folder, workers, progress, witness)
    return run(start, chosen, job, [Output(page, write)])


def _named(given: "types.NamedCheckpoint") -> "str | types.Checkpoint | None":
    """Return what names a checkpoint as text, and one that is loaded as it is; errors as for `load`."""
    if given is None or isinstance(given, str | Path):
        return None if given is None else str(given)
    return load(given)
