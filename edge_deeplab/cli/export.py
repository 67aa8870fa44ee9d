"""`edge-deeplab export`: a checkpoint becomes Core ML, TFLite and ONNX files that describe themselves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_deeplab.cli.options import MaxPixelsOption
from edge_deeplab.cli.output import (
    AllowPickleOption,
    DebugOption,
    JsonOption,
    UnsafePickleOption,
    ending_cleanly,
    parse_size,
    print_json,
    reading_option,
)
from edge_deeplab.cli.sparsity import pattern_with_warning
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import ConfigError, require
from edge_deeplab.targets import TargetName

if TYPE_CHECKING:
    from edge_deeplab.converters.devices.heads import HeadForm
    from edge_deeplab.converters.export import ExportedArtifact
    from edge_deeplab.models.checkpoint import Checkpoint


def export(
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="Checkpoint file, run folder or shipped name; default: the shipped one."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="coreml, tflite, onnx or all; may be given several times."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, fp16, int8 (of a quantized checkpoint), or for Core ML w8, w6, w4; "
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
        str | None, typer.Option(help="Input HxW, multiples of 16; default: the training size.")
    ] = None,
    head: Annotated[
        str,
        typer.Option(
            help="What comes out: class ids (exact, or fast: taken at half the height), or logits."
        ),
    ] = "exact",
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
            help="Device that the files are for (see docs/targets.md): checks while exporting, rewrites what its rules "
            "know to mend, and fails where something rejected remains; may be given several times.",
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
    size_hw = parse_size(size)
    with ending_cleanly(as_json=as_json, debug=debug):
        require("torch", package="torch", extra="train")
        from edge_deeplab.converters.devices.heads import check_head_size
        from edge_deeplab.converters.export import check_targets, export_checkpoint
        from edge_deeplab.files import check_writable
        from edge_deeplab.formats.manifest import read_manifest
        from edge_deeplab.models.shipped import open_checkpoint

        if size_hw is not None and not any_size:
            _check_size(size_hw)
        targets, form = _read_options(target, precision, head, atrous, profile, sparsity)
        if precision is not None:
            check_targets(targets, precision)
        check_writable(output, "folder")
        read_manifest(output)  # which is brought up to date at the end
        opened = open_checkpoint(
            _default_for(checkpoint, precision, calibrate),
            allow_pickle=allow_pickle,
            unsafe_pickle=unsafe_pickle,
        )
        if calibrate is not None:
            opened = calibrated(opened, calibrate, max_pixels)
        if sparsity is not None:
            opened = _sparsified(opened, sparsity, targets, precision)
        check_head_size(head, size_hw or opened.info.size_hw)
        with progress_steps() as on_step:
            artifacts = export_checkpoint(
                opened,
                targets,
                precision or ("fp32" if opened.quantization is None else "int8"),
                size_hw,
                form.head,
                output,
                asked=form.asked,
                any_size=any_size,
                atrous=atrous,
                profiles=profile or (),
                on_step=on_step,
            )
        if as_json:
            print_json({"artifacts": [artifact_to_json(a) for a in artifacts]})
        else:
            print_table(artifacts)


def _check_size(size_hw: tuple[int, int]) -> None:
    from edge_deeplab.converters.capture import check_size

    with reading_option("--size"):
        check_size(size_hw, any_size=False)


def _read_options(
    target: Sequence[str] | None,
    precision: str | None,
    head: str,
    atrous: str,
    profile: Sequence[str] | None,
    sparsity: str | None,
) -> "tuple[Sequence[TargetName], HeadForm]":
    """Return the targets and the head that options mean; each value is checked by itself.

    Raises:
        typer.BadParameter: for the first that cannot be meant.
    """
    from edge_deeplab.checker.rules import load_profile
    from edge_deeplab.converters.devices.atrous_forms import check_atrous
    from edge_deeplab.converters.devices.heads import resolve_head
    from edge_deeplab.converters.export import check_output, resolve_targets
    from edge_deeplab.quantization.sparsity import parse_sparsity

    with reading_option("--target"):
        targets = resolve_targets(target or ["all"])
    with reading_option("--head"):
        form = resolve_head(head)
    with reading_option("--precision"):
        if precision is not None:
            check_output(precision, form.head)
    with reading_option("--atrous"):
        check_atrous(atrous)
    with reading_option("--profile"):
        for name in profile or ():
            load_profile(name)
    with reading_option("--sparsity"):
        if sparsity is not None:
            parse_sparsity(sparsity)
    return targets, form


def _default_for(
    checkpoint: str | None, precision: str | None, calibrate: Path | None
) -> str | None:
    """Return the checkpoint that was named, or the shipped quantized one where int8 was asked for."""
    from edge_deeplab.models.shipped import DEFAULT_QUANTIZED, shipped_checkpoints

    shipped = DEFAULT_QUANTIZED in shipped_checkpoints()
    if checkpoint is None and precision == "int8" and calibrate is None and shipped:
        return DEFAULT_QUANTIZED
    return checkpoint


def calibrated(checkpoint: "Checkpoint", data: Path, max_pixels: int) -> "Checkpoint":
    """Return a float checkpoint with quantizers from calibration on a data folder's first split."""
    from edge_deeplab.cli.progress import drawn_progress
    from edge_deeplab.config import QatRecipe
    from edge_deeplab.data.dataset import open_dataset
    from edge_deeplab.quantization.qat import quantize

    recipe = QatRecipe()
    source = open_dataset(data, recipe.data.splits[0], max_pixels=max_pixels)
    with drawn_progress() as progress:
        return checkpoint.with_quantization(quantize(checkpoint, recipe, source, progress=progress))


def _sparsified(
    checkpoint: "Checkpoint", text: str, targets: Sequence[TargetName], precision: str | None
) -> "Checkpoint":
    """Return a checkpoint with small weights set to zero; says which targets gain nothing."""
    from edge_deeplab.converters.export import WEIGHT_ONLY
    from edge_deeplab.quantization.sparsity import sparsify

    if precision in WEIGHT_ONLY:
        raise ConfigError(
            f"--sparsity came with precision {precision}; fp32 or fp16 was expected, because a Core ML file of iOS 16 "
            "stores a weight either sparse or in few bits; leave one of the two out"
        )
    return sparsify(checkpoint, pattern_with_warning(text, targets))


def artifact_to_json(artifact: "ExportedArtifact") -> dict[str, Any]:
    """Return an artifact as JSON values."""
    from edge_deeplab.checker.verdicts import Verdict

    return {
        "target": artifact.target,
        "precision": artifact.precision,
        "path": str(artifact.path),
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "size_hw": list(artifact.size_hw),
        "operators": {verdict: artifact.operators.get(verdict, 0) for verdict in Verdict},
        "seconds": round(artifact.seconds, 2),
    }


def print_table(artifacts: "list[ExportedArtifact]") -> None:
    """Print artifacts as a table for people."""
    from rich.table import Table

    from edge_deeplab.checker.verdicts import Verdict
    from edge_deeplab.cli.terminal import stdout_console

    table = Table("target", "precision")
    table.add_column("path", overflow="fold")
    for header in ("MB", "s", *Verdict):
        table.add_column(header, justify="right")
    for artifact in artifacts:
        table.add_row(
            artifact.target,
            artifact.precision,
            str(artifact.path),
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


@contextmanager
def progress_steps() -> Iterator[Callable[[str], None]]:
    """Give a function that shows the step at work: a spinner on a terminal, a line a step elsewhere.

    It keeps its own handle of stderr, which converters are cut off from while they run.
    """
    import os
    import sys

    from edge_deeplab.cli.terminal import Terminal, stderr_is_terminal, styled

    if not stderr_is_terminal():
        yield lambda step: say(step, err=True)
        return
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w") as stream,
        Terminal(file=stream).status("starting") as status,
    ):
        yield lambda step: status.update(styled(step))
