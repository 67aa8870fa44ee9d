"""The option of every verb that reads image files."""

from typing import Annotated

import typer

MaxPixelsOption = Annotated[
    int,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Largest image that is read, in pixels; a small file can stand for one that fills the memory.",
    ),
]
