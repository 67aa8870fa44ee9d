"""`edge-deeplab evaluate`: mIoU of a checkpoint, or of an exported file, on a labelled set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from edge_deeplab import api
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.options import (
    ClassMapOption,
    DataOption,
    LabelMapOption,
    LimitOption,
    MaxPixelsOption,
    MemoryLimitOption,
    NormalisationOption,
    RuntimeOption,
    SplitOption,
    ThresholdOption,
    TimeLimitOption,
    allowance,
    parse_normalisation,
    parse_scales,
    parse_widths,
)
from edge_deeplab.cli.output import (
    AllowPickleOption,
    DebugOption,
    JsonOption,
    UnsafePickleOption,
    ending_cleanly,
    naming_options,
    parse_size,
    reading_option,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.together import refuse_without
from edge_deeplab.data.pixel_limit import MAX_PIXELS

if TYPE_CHECKING:
    from edge_deeplab.evaluation.dense_crf import DenseCrf
    from edge_deeplab.evaluation.scores import Evaluation
    from edge_deeplab.models.views import Fuse


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECKPOINT|ARTIFACT",
            autocompletion=names_of("checkpoint"),
            help="A .safetensors checkpoint, a shipped name, or an exported file; without it the shipped checkpoint.",
        ),
    ] = None,
    data: DataOption = None,
    split: SplitOption = "test",
    output_stride: Annotated[
        int | None, typer.Option(help="8, 16 or 32; without it the checkpoint's own.")
    ] = None,
    scales: Annotated[
        str, typer.Option(help="Scales that images are seen at: 0.5,0.75,1,1.25,1.5,1.75.")
    ] = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Also see them mirrored, left to right.")
    ] = False,
    fuse: Annotated[
        str,
        typer.Option(
            metavar="average|maximum",
            help="How these views become one: mean probability (V3+), or highest score at each position (V2).",
        ),
    ] = "average",
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Input size; without it the checkpoint's own.")
    ] = None,
    crf: Annotated[
        bool,
        typer.Option(
            "--crf",
            help="Refine class maps with a dense CRF (V2), which stays outside of exported files.",
        ),
    ] = False,
    crf_appearance: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHT,PIXELS,RGB",
            help="With --crf: how much pixels pull each other that are so near and so alike; without it 4,67,3.",
        ),
    ] = None,
    trimap: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Also score bands of these widths along label boundaries: 1,5,10,20,40.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the confusion matrix, and the trimap curve, to a .png, .svg or .pdf file.",
        ),
    ] = None,
    limit: LimitOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    label_map: LabelMapOption = None,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
    threshold: ThresholdOption = None,
    runtime: RuntimeOption = None,
    allow_pickle: AllowPickleOption = False,
    unsafe_pickle: UnsafePickleOption = False,
    memory_limit: MemoryLimitOption = None,
    time_limit: TimeLimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure the mIoU of a checkpoint, or of an exported file, on a labelled set.

    Images are resized bilinearly to the input size, predicted ids by nearest
    neighbour to the mask's own size; void is not scored; mIoU is the mean over
    the classes that the masks hold.

    Example: edge-deeplab evaluate --data camvid --split test --output-stride 8 --scales 0.75,1,1.25 --flip
    """
    scales_asked, size_hw = parse_scales(scales), parse_size(size)
    widths_px = parse_widths(trimap)
    refining = _parse_crf(crf, crf_appearance)
    foreign_pixels = parse_normalisation(normalisation)
    with ending_cleanly(as_json=as_json, debug=debug) as ending:
        with naming_options({}), drawn_progress() as progress:
            evaluation = ending.result_of(
                api.evaluate,
                model,
                data=data,
                split=split,
                limit=limit,
                max_pixels=max_pixels,
                label_map=label_map,
                output_stride=output_stride,
                scales=scales_asked,
                flip=flip,
                fuse=cast("Fuse", fuse),
                size_hw=size_hw,
                crf=refining,
                trimap=widths_px,
                plot=plot,
                class_map=class_map,
                normalisation=foreign_pixels,
                threshold=threshold,
                runtime=runtime,
                allowance=allowance(memory_limit, time_limit),
                allow_pickle=allow_pickle,
                unsafe_pickle=unsafe_pickle,
                progress=progress,
            )
        if as_json:
            ending.print_json(evaluation.to_json())
        else:
            _show(evaluation, refined=crf)


def _parse_crf(crf: bool, appearance: str | None) -> "DenseCrf | None":
    """Return what refines class maps; None where that was not asked for.

    Raises:
        typer.BadParameter: when the appearance term is no three numbers above 0, or came alone.
    """
    options = {"--crf": crf, "--crf-appearance": appearance}
    refuse_without(options, {"--crf-appearance": ["--crf"]})
    if not crf:
        return None
    from edge_deeplab.evaluation.dense_crf import DenseCrf

    if appearance is None:
        return DenseCrf()
    try:
        weight, pixels, rgb = map(float, appearance.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"appearance {appearance!r} is not three numbers with commas between them; write for example 4,67,3",
            param_hint="--crf-appearance",
        ) from error
    with reading_option("--crf-appearance"):
        return DenseCrf(appearance=weight, appearance_px=pixels, appearance_rgb=rgb)


def _show(evaluation: "Evaluation", *, refined: bool) -> None:
    from edge_deeplab.cli.score_tables import evaluation_table, trimap_table
    from edge_deeplab.cli.terminal import stdout_console

    say(f"{evaluation.path.name} on {evaluation.images} images of {evaluation.data}")
    stdout_console().print(evaluation_table(evaluation))
    if evaluation.trimap:
        stdout_console().print(trimap_table(evaluation))
    inside = "network and the CRF" if refined else "network"
    share = f"{evaluation.network_share:.0%} of them inside of the {inside}"
    say(f"{evaluation.seconds:.0f} s, {share}; {evaluation.latency_ms:.0f} ms a picture")
