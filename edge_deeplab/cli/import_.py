"""`edge-deeplab import`: somebody else's network becomes a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.options import (
    ClassMapOption,
    MaxPixelsOption,
    NormalisationOption,
    SplitOption,
    parse_normalisation,
)
from edge_deeplab.cli.output import (
    AllowPickleOption,
    DebugOption,
    JsonOption,
    UnsafePickleOption,
    ending_cleanly,
    naming_options,
    parse_size,
    print_json,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.evaluation.importing import Imported


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite file, or weights.")],
    output: Annotated[Path, typer.Option(metavar="CHECKPOINT", help="The checkpoint to write.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Whose code weights are from: smp, torchvision, mmseg, vainf or hf.",
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Which of its networks: its name there, its project's configuration, or a whole spec, as JSON or "
            "TOML; without it the config.json beside the weights.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Of pictures that weights are for; without it 512x512."),
    ] = None,
    allow_pickle: AllowPickleOption = False,
    unsafe_pickle: UnsafePickleOption = False,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Classes of the checkpoint: a dataset.toml, or a text with one name a line. Other classes than the "
            "file's replace its classifier; rows of the same name stay.",
        ),
    ] = None,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    decoder: Annotated[
        bool,
        typer.Option(
            "--decoder",
            help="Give the network of a .tflite file DeepLabV3+'s decoder and a classifier, both to be trained.",
        ),
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Terms that the weights come under; without it they are said to be unknown.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Data folder on whose pictures the network is held against the file, and the file against itself.",
        ),
    ] = None,
    split: SplitOption = "test",
    limit: Annotated[int, typer.Option(min=1, help="How many of its first pictures.")] = 5,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write somebody else's network as a checkpoint, which trains, prunes, quantizes and exports as others do.

    Example: edge-deeplab import deeplab.tflite --classes voc.txt --licence Apache-2.0 --output deeplab.safetensors
             edge-deeplab import model.safetensors --from smp --classes voc.txt --output deeplab.safetensors
    """
    foreign_pixels, size_hw = parse_normalisation(normalisation), parse_size(size)
    with ending_cleanly(as_json=as_json, debug=debug):
        with (
            naming_options({"source": "--from", "size_hw": "--size"}),
            drawn_progress() as progress,
        ):
            imported = api.import_checkpoint(
                file,
                output=output,
                source=source,
                spec=spec,
                size_hw=size_hw,
                allow_pickle=allow_pickle,
                unsafe_pickle=unsafe_pickle,
                classes=classes,
                class_map=class_map,
                normalisation=foreign_pixels,
                decoder=decoder,
                licence=licence,
                data=data,
                split=split,
                limit=limit,
                max_pixels=max_pixels,
                progress=progress,
            )
        if as_json:
            print_json(imported.to_json())
        else:
            _tell(imported)


def _tell(imported: "Imported") -> None:
    info = imported.info
    height, width = info.size_hw
    say(f"imported checkpoint: {imported.checkpoint}")
    say(f"{len(info.classes)} classes, made for {height}x{width}; weights of {imported.origin}")
    if imported.fresh:
        say(f"classes that start afresh: {', '.join(imported.fresh)}")
    if imported.dropped:
        say(f"classes of the file that are left out: {', '.join(imported.dropped)}")
    if imported.beside:
        counts = ", ".join(f"{module} ({count})" for module, count in imported.beside.items())
        say(f"tensors that are left out, which have no part in the map of classes: {counts}")
    if (told := imported.agreement) is None:
        return
    say(f"pixels that agree with the file, on {told.images} pictures: {told.imported:.4f} in float")
    if told.quantized is not None:
        say(f"with the file's own ranges: {told.quantized:.4f}")
    say(f"floor, the file in LiteRT's own kernels against XNNPACK's: {told.floor:.4f}")
