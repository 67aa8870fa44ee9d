"""The option that says what runs the files, which every verb that runs files shares."""

from typing import Annotated

import typer

from edge_deeplab.targets import RuntimeName

RuntimeOption = Annotated[
    RuntimeName | None,
    typer.Option(
        "--runtime",
        help="What runs the files, in place of their format's default. TFLite: interpreter (with XNNPACK, the "
        "default), interpreter-builtin (LiteRT's own kernels, without XNNPACK) or compiled-model (LiteRT's newer API).",
    ),
]
