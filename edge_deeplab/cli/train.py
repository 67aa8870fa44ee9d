"""`edge-deeplab train`."""

from pathlib import Path
from typing import Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import LabelMapOption, TrainedMaxPixelsOption, parse_classes
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    naming_options,
    parse_size,
    print_json,
    speaks,
)
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.training import (
    RecipeOption,
    TensorboardOption,
    WorkersOption,
    resumable_progress,
)


def train(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with dataset.toml, PASCAL VOC or Cityscapes."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder of the run: checkpoints, state, recipe.toml, log.csv, curve.png.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model name (edge-deeplab models lists them).", autocompletion=names_of("model")
        ),
    ] = None,
    recipe: RecipeOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Times that it goes over the images.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Pixels that the checkpoint is scored and exported at."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops a step.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of a folder without dataset.toml: what the ids in the masks mean from 0, with commas between them, "
            "or a file with one name a line or like a dataset.toml. 255 is ignored, or what such a file says.",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            autocompletion=names_of("checkpoint"),
            help="Start from this one: its weights and, unless others are named, its network and size; default: "
            "ImageNet's weights for the backbone.",
        ),
    ] = None,
    backbone_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Start the backbone from folded convolutions, as int8 files hold them; batch norm is put back.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            autocompletion=names_of("checkpoint"),
            help="Follow the opinion of this one beside the labels (knowledge distillation); any model, same classes.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where the run in --output stopped, or the only one with epochs left here or in runs; "
            "what else it needs stands in its folder.",
        ),
    ] = False,
    workers: WorkersOption = 1,
    tensorboard: TensorboardOption = False,
    max_pixels: TrainedMaxPixelsOption = None,
    label_map: LabelMapOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a DeepLabV3+; on several GPUs with: torchrun --nproc-per-node 4 -m edge_deeplab train ...

    Without a recipe, size, crops, batch, rates and epochs follow from the data and the machine and are printed;
    recipe.toml in the run's folder repeats it.

    Example: edge-deeplab train --data camvid --recipe recipes/camvid-efficientnet-lite0.toml --output runs/camvid
    """
    size_hw, told = parse_size(size), parse_classes(classes)
    for option, value in (("--data", data), ("--output", output)):
        if value is None and not resume:
            raise typer.BadParameter("it is missing; name a folder", param_hint=option)
    with ending_cleanly(as_json=as_json, debug=debug):
        with naming_options({"size_hw": "--size"}), resumable_progress(output) as progress:
            trained = api.train(
                data,
                output,
                recipe=recipe,
                model=model,
                epochs=epochs,
                size_hw=size_hw,
                batch_size=batch,
                classes=told,
                init=init,
                backbone_weights=backbone_weights,
                teacher=teacher,
                resume=resume,
                workers=workers,
                tensorboard=tensorboard,
                max_pixels=max_pixels,
                label_map=label_map,
                progress=progress,
            )
        if not speaks():
            return
        if as_json:
            print_json(trained.to_json())
        else:
            say(f"trained checkpoint: {trained.checkpoint}")
