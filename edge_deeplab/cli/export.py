"""`edge-deeplab export`: a checkpoint becomes Core ML, TFLite and ONNX files that describe themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import MaxPixelsOption
from edge_deeplab.cli.output import (
    AllowPickleOption,
    DebugOption,
    JsonOption,
    UnsafePickleOption,
    ending_cleanly,
    naming_options,
    parse_sizes,
    print_json,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.converters.exported import ExportedArtifact

_OPTIONS = {
    "targets": "--target",
    "sizes_hw": "--size",
    "size_hw": "--size",
    "profiles": "--profile",
}
"""Options that are not spelled as the request's field."""


def export(
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="Checkpoint file, run folder or shipped name; default: the shipped one.",
            autocompletion=names_of("checkpoint"),
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="coreml, tflite, onnx or all (these three); the previews executorch and coreai, or every (all five); "
            "may be given several times.",
            autocompletion=names_of("target"),
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, fp16, int8 (of a quantized checkpoint), of weights alone w8 (Core ML, ONNX), w6, w4 (Core ML); "
            "default: fp32, or int8 of a quantized checkpoint."
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Quantize a float checkpoint on this data, untrained."),
    ] = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    sparsity: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE|N:M",
            help="Set the smallest weights to zero: 0.5 of each layer, or 2:4 (two of every four stay). "
            "Core ML files leave them out; other targets gain nothing.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW[,HxW...]",
            help="Input size, multiples of 16; several give one Core ML, TFLite and ONNX file that takes each, and "
            "of other targets a file of each, named by it. Default: the training size.",
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="What comes out: class ids (exact, or fast: taken at half the height), logits, or quarter-logits: "
            "a quarter of the size, enlarged by whoever reads them; default: exact, of coreai logits."
        ),
    ] = None,
    atrous: Annotated[
        str,
        typer.Option(
            help="Form of atrous convolutions: native, zero-insert, deinterlace, or auto: "
            "for each the cheapest that the target's default profile runs fast."
        ),
    ] = "native",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=names_of("profile"),
            help="Device that the files are for (see docs/targets.md): checks while exporting, rewrites what its rules "
            "know to mend, and fails where something rejected remains; may be given several times.",
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="What computes the executorch target's program: xnnpack, or coreml on Apple devices; default: xnnpack."
        ),
    ] = None,
    any_size: Annotated[
        bool,
        typer.Option(
            "--any-size", help="Allow a size that is no multiple of 16; says what it costs."
        ),
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder of the artifacts and manifest.json.")] = Path(
        "exports"
    ),
    allow_pickle: AllowPickleOption = False,
    unsafe_pickle: UnsafePickleOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a checkpoint, count the operators that each target runs well or badly, and write manifest.json.

    Example: edge-deeplab export runs/street --target tflite --precision fp16 --size 368x480
    """
    sizes_hw = parse_sizes(size)
    with ending_cleanly(as_json=as_json, debug=debug):
        with naming_options(_OPTIONS), drawn_progress() as progress:
            artifacts = api.export(
                checkpoint,
                target or ("all",),
                precision=precision,
                calibrate=calibrate,
                sparsity=sparsity,
                head=head,
                size_hw=sizes_hw or None,
                atrous=atrous,
                profiles=profile or (),
                backend=backend,
                any_size=any_size,
                output=output,
                max_pixels=max_pixels,
                allow_pickle=allow_pickle,
                unsafe_pickle=unsafe_pickle,
                progress=progress,
            )
        if as_json:
            print_json({"artifacts": [artifact.to_json() for artifact in artifacts]})
        else:
            print_table(artifacts)


def print_table(artifacts: "Sequence[ExportedArtifact]") -> None:
    """Print artifacts as a table for people."""
    from edge_deeplab.checker.verdicts import Verdict
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.cli.terminal import stdout_console

    table = FittingTable("path", "target", "precision")
    table.add_numbers("MB", "s", *Verdict)
    for artifact in artifacts:
        table.add_row(
            str(artifact.path),
            artifact.target,
            artifact.precision,
            f"{artifact.bytes / 1e6:.1f}",
            f"{artifact.seconds:.1f}",
            *(str(artifact.operators.get(verdict, 0)) for verdict in Verdict),
        )
    console = stdout_console()
    console.print(table)
    for artifact in artifacts:
        console.print(f"operators of {artifact.path.name} by {', '.join(artifact.profiles)}")
        for asked in artifact.rewrites:
            where = "everywhere" if asked.modules is None else ", ".join(sorted(asked.modules))
            console.print(f"  rewritten: {asked.name} ({asked.reason}) at {where}")
