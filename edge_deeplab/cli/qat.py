"""`edge-deeplab qat`: a float checkpoint becomes a quantized one, calibrated and trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json

if TYPE_CHECKING:
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.models.quantization import Quantization

_SENSITIVITY_IMAGES = 4


def qat(
    data: Annotated[Path, typer.Option(help="Folder with dataset.toml.")],
    output: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, state, log.csv.")],
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="Float checkpoint: file, run folder or shipped name."),
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe in TOML (recipes/ has some).")] = None,
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
    resume: Annotated[bool, typer.Option(help="Go on where the run in --output stopped.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw crops.")] = 1,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Fine-tune a checkpoint quantization-aware, so that export --precision int8 can write three int8 files.

    Example: edge-deeplab qat runs/street/best.safetensors --data street --output runs/street-int8
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.cli.progress import counting, training_progress
        from edge_deeplab.cli.train import validator_of
        from edge_deeplab.config import QatRecipe, load_recipe_as
        from edge_deeplab.data.dataset import open_dataset
        from edge_deeplab.models.shipped import open_checkpoint
        from edge_deeplab.quantization.calibration import check_estimator, passes
        from edge_deeplab.quantization.qat import quantize, train_quantized

        if estimator is not None:
            check_estimator(estimator)
        chosen = load_recipe_as(
            QatRecipe,
            recipe,
            optimiser={"epochs": epochs},
            quantization={
                "distill": distill,
                "estimator": estimator,
                "calibration_images": calibration_images,
            },
        )
        start = open_checkpoint(checkpoint)
        sources = [open_dataset(data, split) for split in chosen.data.splits]
        section = chosen.quantization
        shown = min(section.calibration_images, len(sources[0])) * passes(section.estimator)
        with counting("calibrating", shown) as progress:
            quantization = quantize(
                start, chosen, sources[0], keep_float=keep_float or (), progress=progress
            )
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
                validate=validator_of(data, chosen),
                listen=listen,
            )
        if as_json:
            print_json({"checkpoint": str(best)})
        else:
            typer.echo(f"quantized checkpoint: {best}")


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

    from rich.markup import escape
    from rich.table import Table

    from edge_deeplab.cli.progress import counting
    from edge_deeplab.evaluation.report import stdout_console
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
        table.add_row(escape(layer.module), layer.what, *numbers)
    stdout_console().print(table)
