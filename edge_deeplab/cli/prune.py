"""`edge-deeplab prune`: a float checkpoint becomes a smaller dense one that meets its budgets."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import LabelMapOption, MaxPixelsOption
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    print_json,
    speaks,
)
from edge_deeplab.cli.terminal import say, stdout_console
from edge_deeplab.cli.together import refuse_beside
from edge_deeplab.cli.training import (
    FloatCheckpointArgument,
    RecipeOption,
    ResumeOption,
    RunOption,
    TensorboardOption,
    TrainingDataOption,
    WorkersOption,
    recipe_with_options,
    resumable_progress,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.config import PruneRecipe
    from edge_deeplab.evaluation.pruned import Pruned
    from edge_deeplab.quantization.pruning.sensitivity import Sweep


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
    tensorboard: TensorboardOption = False,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    label_map: LabelMapOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove channels until every budget is met, then fine-tune by distillation from the original.

    Example: edge-deeplab prune camvid-efficientnet-lite0 --data camvid --macs 0.5 --params 0.6 --output runs/pruned
    """
    trained = {"--resume": resume, "--epochs": epochs, "--tensorboard": tensorboard}
    refuse_beside({"--sensitivity": sensitivity}, trained)
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.config import PruneRecipe

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
        _refuse_runtime_alone(chosen, runtime)
        with resumable_progress(output) as progress:
            run = (
                api.sweep_groups
                if sensitivity
                else partial(api.prune, resume=resume, workers=workers, tensorboard=tensorboard)
            )
            result: Pruned | Sweep = run(
                checkpoint,
                data=data,
                output=output,
                recipe=chosen,
                max_pixels=max_pixels,
                label_map=label_map,
                progress=progress,
            )
        if speaks():
            _print(result, as_json=as_json)


def _print(result: "Pruned | Sweep", *, as_json: bool) -> None:
    from edge_deeplab.evaluation.pruned import Pruned

    if as_json:
        print_json(result.to_json())
    elif isinstance(result, Pruned):
        stdout_console().print(_costs_table(result))
        say(f"pruned checkpoint: {result.checkpoint}")
    else:
        stdout_console().print(_sensitivity_table(result))


def _refuse_runtime_alone(recipe: "PruneRecipe", runtime: str | None) -> None:
    """Check that a runtime has something to time; the latency budget may stand in the recipe.

    Raises:
        ConfigError: when it has not.
    """
    if runtime is not None and recipe.pruning.latency is None:
        raise ConfigError(
            "--runtime came without a latency budget; both or neither were expected; add --latency RATIO"
        )


def _costs_table(pruned: "Pruned") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    height, width = pruned.size_hw
    zeros = pruned.sparsity and f"zeros among the single weights: {pruned.sparsity}"
    table = FittingTable("what", title=f"pruned at {height}x{width}", caption=zeros)
    table.add_numbers("original", "pruned", "remains", "budget")
    before, after = pruned.original, pruned.pruned
    rows = [
        ("multiply-adds, G", "macs", before.multiply_adds / 1e9, after.multiply_adds / 1e9),
        ("parameters, M", "params", before.parameters / 1e6, after.parameters / 1e6),
    ]
    if pruned.latency is not None:
        told = pruned.latency
        rows.append(("predicted latency, ms", "latency", *told.predicted_ms))
        rows.append((f"measured in {told.runtime}, ms", "", *told.measured_ms))
    for what, name, old, new in rows:
        asked = pruned.budgets.get(name, {}).get("asked")
        budget = "" if asked is None else f"{asked:g}"
        table.add_row(what, f"{old:.3f}", f"{new:.3f}", f"{new / old:.3f}", budget)
    return table


def _sensitivity_table(swept: "Sweep") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    title = "each layer alone, its least important channels removed; the costliest first"
    table = FittingTable("layer", title=title)
    table.add_numbers("channels", "removed", "divergence, nats", "SNR, dB", "pixels that agree")
    for point in sorted(swept.points, key=lambda s: -s.divergence):
        counts = str(point.channels), str(point.removed)
        numbers = f"{point.divergence:.5f}", f"{point.snr_db:.1f}", f"{point.agreement:.5f}"
        table.add_row(point.group, *counts, *numbers)
    return table
