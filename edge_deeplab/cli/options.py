"""Options that several verbs share: on which images, what runs a file, and how much it may take."""

import os
from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from edge_deeplab.child.limits import Allowance
from edge_deeplab.cli.completion import names_of
from edge_deeplab.cli.output import finite
from edge_deeplab.description import Normalisation

MOST_GIB, MOST_SECONDS = 2.0**20, 1e9
"""What limits may be: more than any machine has, and less than the system's calls take."""

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with dataset.toml, PASCAL VOC or Cityscapes; without it the rendered set.",
    ),
]
SplitOption = Annotated[str, typer.Option("--split", help="Split of the folder.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first images.")]
ClassMapOption = Annotated[
    Path | None,
    typer.Option(
        "--class-map",
        metavar="FILE.toml",
        help='What the ids of another project\'s file mean: a table \\[map] of lines such as 0 = "road".',
    ),
]
LabelMapOption = Annotated[
    Path | None,
    typer.Option(
        "--label-map",
        metavar="FILE.toml",
        help="The data's classes in other words, Cityscapes' in CamVid's for example: a table \\[map] of lines such as "
        '"traffic sign" = "sign". What it does not list is ignored.',
    ),
]
NormalisationOption = Annotated[
    str | None,
    typer.Option(
        "--normalisation",
        metavar="MEAN/STD",
        help="What another project's file wants its float or int8 input normalised with, in units of 0..255: "
        "127.5/127.5, or R,G,B/R,G,B. A uint8 input takes pixels as they are.",
    ),
]


ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        callback=finite,
        metavar="VALUE",
        help="Another project's file gives one channel, a mask of one class: from this value on, in the file's own "
        "units, a pixel is class 1, below it 0: 0.5 of probabilities, 0 of scores before a sigmoid, 128 of a uint8 "
        "mask.",
    ),
]
MaxPixelsOption = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Largest image that is read, in pixels; a small file can stand for one that fills the memory.",
    ),
]
TrainedMaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Largest image that is read, in pixels; without it 64 million, or as a run that is resumed was started "
        "with.",
    ),
]
JunitOption = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE", help="Also write JUnit XML, which CI systems show as tests."
    ),
]
FailInconclusiveOption = Annotated[
    bool,
    typer.Option(
        "--fail-inconclusive",
        help="Exit code 1 also where the images settle nothing: the interval crosses the limit.",
    ),
]
ListedSizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HxW",
        help="Only one of the sizes that a file takes; without it every size.",
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="NAME",
        autocompletion=names_of("runtime"),
        help="What runs the files, in place of their format's default. TFLite: interpreter (with XNNPACK, the "
        "default), interpreter-builtin (LiteRT's own kernels, without XNNPACK) or compiled-model (LiteRT's newer API); "
        "Core ML: core-ml or mil-reference; ExecuTorch: executorch-xnnpack; Core AI: core-ai.",
    ),
]
MemoryLimitOption = Annotated[
    float | None,
    typer.Option(
        "--memory-limit",
        metavar="GIB",
        min=0.1,
        max=MOST_GIB,
        callback=finite,
        help="What a file may take beside its runtime; without it 1.5 GiB and eight times its size.",
    ),
]
TimeLimitOption = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        min=1.0,
        max=MOST_SECONDS,
        callback=finite,
        help="Seconds of one core that a run may take; without it 7 and one for each 2 MiB of the file, of "
        "Core AI's files twenty times that.",
    ),
]


def parse_normalisation(text: str | None) -> Normalisation | None:
    """Return the constants of "127.5/127.5" or "123.7,116.3,103.5/58.4,57.1,57.4"; None stays None.

    Raises:
        typer.BadParameter: when the text is no such pair, or a deviation is not positive.
    """
    if text is None:
        return None
    try:
        mean, std = (_three(part) for part in text.split("/"))
        if not all(isfinite(v) for v in (*mean, *std)) or min(std) <= 0:
            raise ValueError("a mean is not finite or a deviation is not positive")
    except ValueError as error:
        raise typer.BadParameter(
            f"normalisation {text!r} is not MEAN/STD in units of 0..255 ({error}); write for example 127.5/127.5 or "
            "123.675,116.28,103.53/58.395,57.12,57.375"
        ) from error
    return Normalisation(mean, std)


def parse_scales(text: str) -> tuple[float, ...]:
    """Return the scales of "0.5,0.75,1".

    Raises:
        typer.BadParameter: when an entry is no positive number.
    """
    try:
        scales = tuple(float(entry) for entry in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(isfinite(scale) and scale > 0 for scale in scales):
        raise typer.BadParameter(
            f"scales {text!r} are not positive numbers with commas between them; write for example 0.75,1,1.25"
        )
    return scales


_ENDINGS_OF_LISTS = (".txt", ".toml", ".csv", ".json", ".yaml", ".yml", ".names")


def parse_classes(text: str | None) -> Path | tuple[str, ...] | None:
    """Return the names of "person,background", or the file that a text without a comma names; None stays None.

    Raises:
        typer.BadParameter: when a name is empty or that of a file, or two are one.
    """
    if text is None:
        return None
    if "," not in text and os.path.isfile(text):  # noqa: PTH113  (Path refuses names that are too long)
        return Path(text)
    names = tuple(name.strip() for name in text.split(","))
    absent = [name for name in names if name.lower().endswith(_ENDINGS_OF_LISTS)]
    if absent or (len(names) == 1 and "/" in text):
        raise typer.BadParameter(
            f"classes {text!r} name a file that is not there ({(absent or names)[0]}); names with commas between them, "
            "or one file that lists them, were expected; mend its path",
            param_hint="--classes",
        )
    if not all(names) or len({*names}) < len(names):
        raise typer.BadParameter(
            f"classes {text!r} are neither a file nor different names with commas between them; write for example "
            "background,person",
            param_hint="--classes",
        )
    return names


def parse_widths(text: str | None) -> tuple[int, ...]:
    """Return the widths of "1,5,10"; none of None.

    Raises:
        typer.BadParameter: when an entry is no whole number.
    """
    try:
        return tuple(int(entry) for entry in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise typer.BadParameter(
            f"widths {text!r} are not whole numbers with commas between them; write for example 1,5,10,20,40"
        ) from error


def allowance(memory_limit: float | None, time_limit: float | None) -> Allowance | None:
    """Return what the options allow; None where neither was given."""
    if memory_limit is None and time_limit is None:
        return None
    return Allowance(None if memory_limit is None else round(memory_limit * 2**30), time_limit)


def _three(text: str) -> tuple[float, float, float]:
    values = [float(value) for value in text.split(",")]
    red, green, blue = values * 3 if len(values) == 1 else values
    return red, green, blue
