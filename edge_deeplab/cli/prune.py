"""`edge-deeplab prune`: a float checkpoint becomes a smaller dense one that meets its budgets."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.training import (
    RecipeOption,
    ResumeOption,
    RunOption,
    TrainingDataOption,
    WorkersOption,
    validator_of,
)

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint


def prune(
    data: TrainingDataOption,
    output: RunOption,
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="Float checkpoint: file, run folder or shipped name."),
    ] = None,
    macs: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help="Share of the multiply-adds that may remain, like 0.5."),
    ] = None,
    params: Annotated[
        float | None, typer.Option(metavar="RATIO", help="Share of the parameters.")
    ] = None,
    recipe: RecipeOption = None,
    importance: Annotated[
        str | None,
        typer.Option(help="What a channel is worth by: taylor, magnitude, batch-norm or random."),
    ] = None,
    allot: Annotated[
        str | None,
        typer.Option(help="How layers share the removal: importance or uniform."),
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
    resume: ResumeOption = False,
    workers: WorkersOption = 1,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove channels until every budget is met, then fine-tune by distillation from the original.

    Example: edge-deeplab prune camvid-efficientnet-lite0 --data camvid --macs 0.5 --params 0.6 --output runs/pruned
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import training_progress
        from edge_deeplab.config import PruneRecipe, load_recipe_as
        from edge_deeplab.data.dataset import open_dataset
        from edge_deeplab.models.checkpoint import load_checkpoint
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.quantization.pruning.prune import train_pruned

        chosen = load_recipe_as(
            PruneRecipe,
            recipe,
            optimiser={"epochs": epochs},
            pruning={
                "macs": macs,
                "params": params,
                "importance": importance,
                "allot": allot,
                "rounds": rounds,
                "round_to": round_to,
                "distill": distill,
            },
        )
        start = open_checkpoint(checkpoint)
        sources = [open_dataset(data, split) for split in chosen.data.splits]
        with training_progress() as listen:
            best = train_pruned(
                start,
                chosen,
                sources,
                output,
                resume=resume,
                workers=workers,
                validate=validator_of(data, chosen),
                listen=listen,
            )
        _print_result(start, load_checkpoint(best), as_json=as_json)


def _print_result(original: "Checkpoint", pruned: "Checkpoint", *, as_json: bool) -> None:
    """Print where the pruned checkpoint lies, and what it costs beside the original."""
    from rich.table import Table

    from edge_deeplab.evaluation.cost import count_network
    from edge_deeplab.evaluation.report import stdout_console

    size_hw = original.info.size_hw
    before, after = (count_network(c.build(), size_hw) for c in (original, pruned))
    lineage = dict(pruned.info.pruning or {})
    document: dict[str, Any] = {
        "checkpoint": str(pruned.path),
        "budgets": lineage["budgets"],
        "multiply_adds": [before.multiply_adds, after.multiply_adds],
        "parameters": [before.parameters, after.parameters],
        "size_hw": list(size_hw),
    }
    if as_json:
        print_json(document)
        return
    table = Table("what", title=f"pruned at {size_hw[0]}x{size_hw[1]}")
    for header in ("original", "pruned", "remains", "budget"):
        table.add_column(header, justify="right")
    asked = {name: f"{budget['asked']:g}" for name, budget in lineage["budgets"].items()}
    for what, name, unit, (old, new) in (
        ("multiply-adds, G", "macs", 1e9, document["multiply_adds"]),
        ("parameters, M", "params", 1e6, document["parameters"]),
    ):
        row = f"{old / unit:.3f}", f"{new / unit:.3f}", f"{new / old:.3f}"
        table.add_row(what, *row, asked.get(name, ""))
    stdout_console().print(table)
    typer.echo(f"pruned checkpoint: {pruned.path}")
