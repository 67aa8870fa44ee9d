"""`edge-deeplab qat`: a float checkpoint becomes a quantized one, calibrated and trained."""

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

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.quantization.sensitivity import Ranking
    from edge_deeplab.training.loop import Trained


def qat(
    data: TrainingDataOption,
    output: RunOption,
    checkpoint: FloatCheckpointArgument = None,
    recipe: RecipeOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs; 0 only calibrates (post-training).")
    ] = None,
    distill: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Weight of the float model's opinion; 0: labels only."),
    ] = None,
    estimator: Annotated[
        str | None, typer.Option(help="Ranges: min-max, mean-min-max, percentile or mse.")
    ] = None,
    equalize: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of the ranges of channels, what moves into the weights that read them, before; 0 (default): none.",
        ),
    ] = None,
    calibration_images: Annotated[
        int | None, typer.Option(min=1, help="Images of the first split that ranges come from.")
    ] = None,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE", help="Module to leave in float; may be given several times."
        ),
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Do not train: rank every quantizer by what it alone costs, on four images.",
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
    """Fine-tune a checkpoint quantization-aware, so that export --precision int8 can write three int8 files.

    Example: edge-deeplab qat runs/street/best.safetensors --data street --output runs/street-int8
    """
    trained = {"--resume": resume, "--epochs": epochs, "--tensorboard": tensorboard}
    refuse_beside({"--sensitivity": sensitivity}, trained)
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.config import QatRecipe

        options = {
            "distill": distill,
            "estimator": estimator,
            "equalize": equalize,
            "calibration_images": calibration_images,
        }
        chosen = recipe_with_options(
            QatRecipe, recipe, optimiser={"epochs": epochs}, quantization=options
        )
        with resumable_progress(output) as progress:
            run = (
                api.rank_quantizers
                if sensitivity
                else partial(api.quantize, resume=resume, workers=workers, tensorboard=tensorboard)
            )
            result: Ranking | Trained = run(
                checkpoint,
                data=data,
                output=output,
                recipe=chosen,
                keep_float=keep_float or (),
                max_pixels=max_pixels,
                label_map=label_map,
                progress=progress,
            )
        if speaks():
            _print(result, as_json=as_json)


def _print(result: "Ranking | Trained", *, as_json: bool) -> None:
    from edge_deeplab.training.loop import Trained

    if as_json:
        print_json(result.to_json())
    elif isinstance(result, Trained):
        say(f"quantized checkpoint: {result.checkpoint}")
    else:
        stdout_console().print(_ranking_table(result))


def _ranking_table(ranking: "Ranking") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable

    table = FittingTable("module", "quantizer", title="each quantizer alone, the costliest first")
    table.add_numbers("SNR of the logits, dB", "pixels that agree")
    for one in ranking.quantizers:
        table.add_row(one.module, one.what, f"{one.snr_db:.1f}", f"{one.agreement:.5f}")
    return table
