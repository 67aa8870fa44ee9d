"""`edge-deeplab train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json

if TYPE_CHECKING:
    from edge_deeplab.config import Recipe
    from edge_deeplab.training.run_folder import Validator


def train(
    data: Annotated[Path, typer.Option(help="Folder with dataset.toml.")],
    output: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, state, log.csv.")],
    model: Annotated[
        str | None, typer.Option(help="Model name (edge-deeplab models lists them).")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe in TOML (recipes/ has some).")] = None,
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
    resume: Annotated[bool, typer.Option(help="Go on where the run in --output stopped.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw crops.")] = 1,
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
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.training.train import train as run_training

        start = None if init is None else open_checkpoint(init)
        chosen = _with_model(load_recipe(recipe), model)
        sources = [open_dataset(data, split) for split in chosen.data.splits]
        validator = validator_of(data, chosen)
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
        if as_json:
            print_json({"checkpoint": str(best)})
        else:
            typer.echo(f"trained checkpoint: {best}")


def _with_model(recipe: "Recipe", model: str | None) -> "Recipe":
    from edge_deeplab.models.deeplab import MODEL_PREFIX, backbone_of

    name = MODEL_PREFIX + backbone_of(model or recipe.model.name)
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": name})})


def validator_of(data: Path, recipe: "Recipe") -> "Validator | None":
    """Score checkpoints on the recipe's validation split; None where the recipe names none."""
    if not recipe.data.validation_split:
        return None
    from edge_deeplab.data.dataset import open_dataset
    from edge_deeplab.evaluation.evaluate import evaluate_runtime
    from edge_deeplab.models.checkpoint import load_checkpoint
    from edge_deeplab.runtimes.torch import TorchRuntime

    dataset = open_dataset(data, recipe.data.validation_split)
    return lambda path: evaluate_runtime(TorchRuntime(load_checkpoint(path)), dataset).miou
