"""The chain: prune, train quantizers, export, check, score, time, report; each step once for the same inputs."""

from collections.abc import Sequence

from edge_deeplab.compress.gathering import outputs_of
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.measures import (
    Exported,
    bench,
    check,
    export,
    parity,
    precisions_of,
)
from edge_deeplab.compress.preflight import check_chain
from edge_deeplab.compress.report import ChainReport
from edge_deeplab.compress.sections import sparsity_warnings
from edge_deeplab.compress.stages import Stage, prune, quantize_aware
from edge_deeplab.compress.summary import Measured, summarise
from edge_deeplab.config import CompressRecipe
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.outputs import Output, write_all
from edge_deeplab.training.lock import held_alone


def compress(
    checkpoint: Checkpoint, recipe: CompressRecipe, job: Job, beside: Sequence[Output] = ()
) -> ChainReport:
    """Run the chain and return its report; what an earlier run has finished is found, not done again.

    Args:
        checkpoint: the float checkpoint that it starts from, which is also the reference of all scores.
        recipe: the steps.
        job: the data, the folder and who is told how it stands. In the folder there will be `checkpoints/`, `exports/`,
            `report.json`, `report.md` and `pareto.png`, and each step's own files in `steps/`.
        beside: what else is written of the folder, last.

    Raises:
        ConfigError: when the checkpoint is quantized, cannot be, or cannot be exported, or sections of the recipe
            contradict each other.
        DataError: when a split is missing, has other classes, or fewer images than a batch.
        MissingDependencyError: when a step's package is not installed.
        StepError: when a step fails; the steps before it are kept.
        OutputError: when another chain is at work in the folder.
        UnwrittenError: with the report, when something of the folder or beside it cannot be written.
    """
    check_chain(checkpoint, recipe, job)
    with held_alone(job.output, "compress"):
        for line in sparsity_warnings(recipe):
            job.progress.note(line)
        stages = _train(checkpoint, recipe, job)
        exports = _export(stages, recipe, job)
        measured = _measure(stages, exports, recipe, job)
        report = summarise(stages, measured, recipe.parity, job.finished)
        write_all(report, (*outputs_of(job.output, stages, exports, report), *beside))
    return report


def _train(checkpoint: Checkpoint, recipe: CompressRecipe, job: Job) -> list[Stage]:
    """Return the stages, the reference first."""
    stages = [Stage("reference", checkpoint)]
    if recipe.prune is not None:
        stages.append(prune(job, stages[-1], recipe.prune))
    if recipe.qat is not None:
        stages.append(quantize_aware(job, stages[-1], recipe.qat))
    return stages


def _export(stages: list[Stage], recipe: CompressRecipe, job: Job) -> list[Exported]:
    """Return the files of every stage in every precision that it has numbers for."""
    section = recipe.export
    if section is None:
        return []
    return [
        export(job, stage, precision, section)
        for stage in stages
        for precision in precisions_of(stage, section)
    ]


def _measure(
    stages: list[Stage], exports: list[Exported], recipe: CompressRecipe, job: Job
) -> list[Measured]:
    """Return what is known of every file."""
    reports = [check(job, e, recipe.export) for e in exports if recipe.export is not None]
    scores = (
        [parity(job, stages[0].checkpoint, e, recipe.parity) for e in exports]
        if recipe.parity is not None
        else [None] * len(exports)
    )
    times = bench(job, exports, recipe.bench) if recipe.bench is not None and exports else {}
    return [
        Measured(
            exported,
            reports[index],
            scores[index],
            {target: entries[index] for target, entries in times.items()},
        )
        for index, exported in enumerate(exports)
    ]
