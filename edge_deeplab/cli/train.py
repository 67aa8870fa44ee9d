"""`edge-deeplab train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.options import MaxPixelsOption
from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, reading_option
from edge_deeplab.cli.training import (
    RecipeOption,
    ResumeOption,
    RunOption,
    TrainingDataOption,
    WorkersOption,
    print_best,
    validator_of,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.config import Recipe


def train(
    data: TrainingDataOption,
    output: RunOption,
    model: Annotated[
        str | None, typer.Option(help="Model name (edge-deeplab models lists them).")
    ] = None,
    recipe: RecipeOption = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Start from these weights; default: ImageNet's for the backbone.",
        ),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Start the backbone from folded convolutions, as int8 files hold them; batch norm is put back.",
        ),
    ] = None,
    resume: ResumeOption = False,
    workers: WorkersOption = 1,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a DeepLabV3+; on several GPUs with: torchrun --nproc-per-node 4 -m edge_deeplab train ...

    Example: edge-deeplab train --data camvid --recipe recipes/camvid-efficientnet-lite0.toml --output runs/camvid
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import training_progress
        from edge_deeplab.config import load_recipe
        from edge_deeplab.data.dataset import open_dataset
        from edge_deeplab.files import check_writable
        from edge_deeplab.models.deeplab import backbone_of
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.training.train import train as run_training

        if model is not None:
            with reading_option("--model"):
                backbone_of(model)
        check_writable(output, "folder")
        start = None if init is None else open_checkpoint(init)
        chosen = _with_model(load_recipe(recipe), model)
        sources = [open_dataset(data, split, max_pixels=max_pixels) for split in chosen.data.splits]
        validator = validator_of(data, chosen, max_pixels)
        with training_progress() as listen:
            best = run_training(
                chosen,
                sources,
                output,
                init=start,
                backbone_weights=backbone_weights,
                resume=resume,
                workers=workers,
                validate=validator,
                listen=listen,
            )
        print_best(best, kind="trained", as_json=as_json)


def _with_model(recipe: "Recipe", model: str | None) -> "Recipe":
    from edge_deeplab.models.deeplab import MODEL_PREFIX, backbone_of

    name = MODEL_PREFIX + backbone_of(model or recipe.model.name)
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": name})})
