"""`edge-deeplab qat`: a float checkpoint becomes a quantized one, calibrated and trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.calibration import calibrate_with_progress
from edge_deeplab.cli.options import MaxPixelsOption
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    print_json,
    reading_option,
)
from edge_deeplab.cli.training import (
    FloatCheckpointArgument,
    RecipeOption,
    ResumeOption,
    RunOption,
    TrainingDataOption,
    WorkersOption,
    print_best,
    recipe_with_options,
    validator_of,
)
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.models.quantization import Quantization

_SENSITIVITY_IMAGES = 4


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
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Fine-tune a checkpoint quantization-aware, so that export --precision int8 can write three int8 files.

    Example: edge-deeplab qat runs/street/best.safetensors --data street --output runs/street-int8
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import training_progress
        from edge_deeplab.data.dataset import open_dataset
        from edge_deeplab.files import check_writable
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.quantization.qat import quantizers_to_restore, train_quantized
        from edge_deeplab.training.run_folder import check_unused

        chosen = _recipe_of(recipe, epochs, distill, estimator, calibration_images)
        check_writable(output, "folder")
        start = open_checkpoint(checkpoint)
        sources = [open_dataset(data, split, max_pixels=max_pixels) for split in chosen.data.splits]
        if not (resume or sensitivity):
            check_unused(output)
        if resume and chosen.optimiser.epochs and not sensitivity:
            quantization = quantizers_to_restore(start, keep_float or ())
        else:
            quantization = calibrate_with_progress(start, chosen, sources[0], keep_float or ())
        if sensitivity:
            _rank(start, quantization, sources[0], output, as_json=as_json)
            return
        with training_progress() as listen:
            best = train_quantized(
                start,
                quantization,
                chosen,
                sources,
                output,
                resume=resume,
                workers=workers,
                validate=validator_of(data, chosen, max_pixels),
                listen=listen,
            )
        print_best(best, kind="quantized", as_json=as_json)


def _recipe_of(
    path: Path | None,
    epochs: int | None,
    distill: float | None,
    estimator: str | None,
    calibration_images: int | None,
) -> "QatRecipe":
    """Return the recipe with what options change of it."""
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.quantization.calibration import check_estimator

    if estimator is not None:
        with reading_option("--estimator"):
            check_estimator(estimator)
    return recipe_with_options(
        QatRecipe,
        path,
        optimiser={"epochs": epochs},
        quantization={
            "distill": distill,
            "estimator": estimator,
            "calibration_images": calibration_images,
        },
    )


def _rank(
    checkpoint: "Checkpoint",
    quantization: "Quantization",
    source: "SegmentationDataset",
    output: Path,
    *,
    as_json: bool,
) -> None:
    """Rank the quantizers, write OUTPUT/sensitivity.json and print the ranking."""
    import json
    from dataclasses import asdict

    from rich.table import Table

    from edge_deeplab.cli.progress import counting
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.files import write_atomically
    from edge_deeplab.quantization.qat import calibration_images
    from edge_deeplab.quantization.sensitivity import rank_layers, single_quantizers

    info = checkpoint.info
    images = calibration_images(source, _SENSITIVITY_IMAGES, info.size_hw, info.normalisation)
    with counting("ranking quantizers", len(single_quantizers(quantization))) as progress:
        ranked = rank_layers(checkpoint.build(), quantization, images, progress=progress)
    document = {"sensitivity": [asdict(layer) for layer in ranked]}
    write_atomically(output / "sensitivity.json", json.dumps(document, indent=2) + "\n")
    if as_json:
        print_json(document)
        return
    table = Table("module", "quantizer", title="each quantizer alone, the costliest first")
    for header in ("SNR of the logits, dB", "pixels that agree"):
        table.add_column(header, justify="right")
    for layer in ranked:
        numbers = (f"{layer.snr_db:.1f}", f"{layer.agreement:.5f}")
        table.add_row(layer.module, layer.what, *numbers)
    stdout_console().print(table)
