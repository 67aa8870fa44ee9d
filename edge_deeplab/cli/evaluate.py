"""`edge-deeplab evaluate`: mIoU of a checkpoint, or of an exported file, on a labelled set."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab.cli.allowance import MemoryLimitOption, TimeLimitOption, allowance
from edge_deeplab.cli.images import MaxPixelsOption
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
from edge_deeplab.cli.runtime import RuntimeOption
from edge_deeplab.cli.scoring import (
    ClassMapOption,
    DataOption,
    LimitOption,
    NormalisationOption,
    SplitOption,
    parse_normalisation,
    parse_scales,
)
from edge_deeplab.cli.terminal import say
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import require
from edge_deeplab.targets import target_of

if TYPE_CHECKING:
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.evaluation.class_map import ClassMap
    from edge_deeplab.runtimes.base import Runtime


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECKPOINT|ARTIFACT",
            help="A .safetensors checkpoint, a shipped name, or an exported file; without it the shipped checkpoint.",
        ),
    ] = None,
    data: DataOption = None,
    split: SplitOption = "test",
    output_stride: Annotated[
        int | None, typer.Option(help="8, 16 or 32; without it the checkpoint's own.")
    ] = None,
    scales: Annotated[
        str, typer.Option(help="Scales whose probabilities are averaged: 0.5,0.75,1,1.25,1.5,1.75.")
    ] = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Average with the left-right flipped image.")
    ] = False,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Input size; without it the checkpoint's own.")
    ] = None,
    limit: LimitOption = None,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    class_map: ClassMapOption = None,
    normalisation: NormalisationOption = None,
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
    protocol = Protocol(output_stride, parse_scales(scales), flip, parse_size(size))
    foreign_pixels = parse_normalisation(normalisation)
    if is_artifact(model):
        protocol.refuse_changes()
    elif runtime is not None:
        raise typer.BadParameter(
            "--runtime came with a checkpoint, which torch runs; an exported file was expected with it; leave it out"
        )
    with ending_cleanly(as_json=as_json, debug=debug):
        from edge_deeplab.data.rendered_set import resolve_dataset
        from edge_deeplab.evaluation.class_map import read_class_map
        from edge_deeplab.runtimes.open import open_artifact

        if output_stride is not None:
            _check_stride(output_stride)
        dataset = resolve_dataset(data, split, limit=limit, max_pixels=max_pixels)
        foreign_classes = None if class_map is None else read_class_map(class_map)
        allowed = allowance(memory_limit, time_limit)
        opened = (
            open_artifact(
                Path(str(model)), normalisation=foreign_pixels, allowance=allowed, runtime=runtime
            )
            if is_artifact(model)
            else _open_checkpoint(
                model, protocol, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle
            )
        )
        _score(opened, dataset, foreign_classes, as_json=as_json)


def _score(
    runtime: "Runtime",
    dataset: "SegmentationDataset",
    class_map: "ClassMap | None",
    *,
    as_json: bool,
) -> None:
    """Measure a runtime on a data set and print what it scored."""
    from edge_deeplab.cli.progress import counting
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.evaluation.evaluate import evaluate_runtime
    from edge_deeplab.evaluation.report import evaluation_table

    with counting(f"evaluating {runtime.path.name}", len(dataset)) as progress:
        evaluation = evaluate_runtime(runtime, dataset, class_map=class_map, progress=progress)
    if as_json:
        print_json({**evaluation.to_json(), "path": str(runtime.path), "data": dataset.name})
    else:
        say(f"{runtime.path.name} on {evaluation.images} images of {dataset.name}")
        stdout_console().print(evaluation_table(evaluation))


@dataclass(frozen=True)
class Protocol:
    """How a checkpoint's network is applied to an image.

    Args:
        output_stride: another stride than it was trained with, or None.
        scales: scales whose probabilities are averaged.
        flip: also average with the flipped image.
        size_hw: input height and width, or None for the checkpoint's own.
    """

    output_stride: int | None
    scales: tuple[float, ...]
    flip: bool
    size_hw: tuple[int, int] | None

    def refuse_changes(self) -> None:
        """Raise when anything was asked for, because an exported file's graph is fixed.

        Raises:
            typer.BadParameter: when one of the options was given.
        """
        if self != Protocol(None, (1.0,), flip=False, size_hw=None):
            raise typer.BadParameter(
                "--output-stride, --scales, --flip and --size came with an exported file, whose graph is fixed; "
                "a checkpoint was expected with them; leave them out"
            )


def is_artifact(argument: str | None) -> bool:
    """Tell whether an argument means an exported file rather than a checkpoint, by its ending."""
    return argument is not None and target_of(Path(argument)) is not None


def _check_stride(output_stride: int) -> None:
    require("torch", package="torch", extra="train")
    from edge_deeplab.models.backbones import check_output_stride

    with reading_option("--output-stride"):
        check_output_stride(output_stride)


def _open_checkpoint(
    argument: str | None, protocol: Protocol, *, allow_pickle: bool, unsafe_pickle: bool
) -> "Runtime":
    from edge_deeplab.models.shipped import open_checkpoint

    checkpoint = open_checkpoint(argument, allow_pickle=allow_pickle, unsafe_pickle=unsafe_pickle)
    from edge_deeplab.runtimes.torch import TorchRuntime

    return TorchRuntime(
        checkpoint,
        output_stride=protocol.output_stride,
        scales=protocol.scales,
        flip=protocol.flip,
        size_hw=protocol.size_hw,
    )
