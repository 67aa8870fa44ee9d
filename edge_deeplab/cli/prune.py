"""`edge-deeplab prune`: a float checkpoint becomes a smaller dense one that meets its budgets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.images import MaxPixelsOption
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, reading_option, speaks
from edge_deeplab.cli.training import (
    FloatCheckpointArgument,
    RecipeOption,
    ResumeOption,
    RunOption,
    TrainingDataOption,
    WorkersOption,
    recipe_with_options,
    validator_of,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError

if TYPE_CHECKING:
    from edge_deeplab.config import PruneRecipe
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.quantization.pruning.latency import LatencyTable


def prune(
    data: TrainingDataOption,
    output: RunOption,
    checkpoint: FloatCheckpointArgument = None,
    macs: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Share of the multiply-adds that may remain, like 0.5."),
    ] = None,
    params: Annotated[
        float | None, typer.Option(metavar="RATIO", help="Share of the parameters.")
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(
            metavar="RATIO", help="Share of the latency, predicted from layers timed in --runtime."
        ),
    ] = None,
    sparsity: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Zeros among the weights that stay, 0.5 or 2:4: smaller Core ML files, nothing elsewhere.",
        ),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What --latency is measured in: tflite or onnx.")
    ] = None,
    recipe: RecipeOption = None,
    importance: Annotated[
        str | None,
        typer.Option(help="What a channel is worth by: taylor, magnitude, batch-norm or random."),
    ] = None,
    allot: Annotated[
        str | None,
        typer.Option(help="How layers share the removal: importance, sensitivity or uniform."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Times it is pruned and trained, each a part of the way.")
    ] = None,
    round_to: Annotated[int | None, typer.Option(help="Widths are multiples of it.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs of fine-tuning; 0 only prunes.")
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Weight of the original's opinion; 0: labels only."),
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Do not prune: measure what pruning each layer alone costs, into sensitivity.json and .png.",
        ),
    ] = False,
    resume: ResumeOption = False,
    workers: WorkersOption = 1,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove channels until every budget is met, then fine-tune by distillation from the original.

    Example: edge-deeplab prune camvid-efficientnet-lite0 --data camvid --macs 0.5 --params 0.6 --output runs/pruned
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import training_progress
        from edge_deeplab.cli.prune_report import print_pruned, rank_groups
        from edge_deeplab.cli.sparsity import pattern_with_warning
        from edge_deeplab.config import PruneRecipe
        from edge_deeplab.data.dataset import open_dataset
        from edge_deeplab.files import check_writable
        from edge_deeplab.models.checkpoint import load_checkpoint
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.quantization.pruning.prune import check_float
        from edge_deeplab.quantization.pruning.run import train_pruned
        from edge_deeplab.quantization.sparsity import parse_sparsity
        from edge_deeplab.targets import TARGETS
        from edge_deeplab.training.finetune import check_sources
        from edge_deeplab.training.run_folder import check_unused

        options = {
            "macs": macs,
            "params": params,
            "latency": latency,
            "sparsity": sparsity,
            "runtime": runtime,
            "importance": importance,
            "allot": allot,
            "rounds": rounds,
            "round_to": round_to,
            "distill": distill,
        }
        chosen = recipe_with_options(
            PruneRecipe, recipe, optimiser={"epochs": epochs}, pruning=options
        )
        if sparsity is not None:
            with reading_option("--sparsity"):
                parse_sparsity(sparsity)
        check_writable(output, "folder")
        start = open_checkpoint(checkpoint)
        _refuse_ignored(chosen, runtime=runtime, resume=resume, sensitivity=sensitivity)
        check_float(start)
        sources = [open_dataset(data, split, max_pixels=max_pixels) for split in chosen.data.splits]
        check_sources(start, chosen, sources)
        validate = validator_of(data, chosen, max_pixels)
        if sensitivity:
            rank_groups(start, chosen, sources, output, as_json=as_json)
            return
        if not resume:
            check_unused(output)
        if chosen.pruning.sparsity is not None:
            pattern_with_warning(chosen.pruning.sparsity, sorted(TARGETS))
        table = _times_of_layers(start, chosen, output)
        with training_progress() as listen:
            best = train_pruned(
                start,
                chosen,
                sources,
                output,
                latency=table,
                resume=resume,
                workers=workers,
                validate=validate,
                listen=listen,
            )
        if speaks():
            print_pruned(start, load_checkpoint(best), table, as_json=as_json)


def _refuse_ignored(
    recipe: "PruneRecipe", *, runtime: str | None, resume: bool, sensitivity: bool
) -> None:
    """Refuse options that would be ignored in silence.

    Raises:
        ConfigError: for the first of them.
    """
    section, epochs = recipe.pruning, recipe.optimiser.epochs
    if runtime is not None and section.latency is None:
        raise ConfigError(
            "--runtime came without a latency budget; both or neither were expected; add --latency RATIO"
        )
    both = {
        "--resume came with --sensitivity, which trains nothing": resume and sensitivity,
        "--resume came with 0 epochs, which train nothing": resume and epochs == 0,
        f"{section.rounds} rounds came with 0 epochs": section.rounds > 1 and epochs == 0,
    }
    for sentence, came in both.items():
        if came:
            raise ConfigError(f"{sentence}; one of the two was expected; leave the other out")


def _times_of_layers(
    checkpoint: "Checkpoint", recipe: "PruneRecipe", output: Path
) -> "LatencyTable | None":
    """Return what a latency budget needs, kept in OUTPUT/latency.json; None without one.

    Under torchrun one process measures; the others wait, so that they do not compete for the cores, and read.
    """
    if recipe.pruning.latency is None:
        return None
    from filelock import FileLock

    from edge_deeplab.cli.progress import progress_bar
    from edge_deeplab.evaluation.layer_latency import latency_table

    output.mkdir(parents=True, exist_ok=True)
    with FileLock(output / "latency.lock"), progress_bar() as bar:
        task = bar.add_task(f"timing layers in {recipe.pruning.runtime}", total=None)
        return latency_table(
            checkpoint,
            recipe.pruning,
            output / "latency.json",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
