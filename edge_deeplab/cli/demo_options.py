"""What `edge-deeplab demo` is asked for: options of its web page, and which options go together."""

from pathlib import Path
from typing import Annotated

import typer

from edge_deeplab.cli.together import Options, given, refuse_beside, refuse_without

WebOption = Annotated[
    Path | None,
    typer.Option(
        "--web",
        metavar="OUT",
        help="In place of a source: write a folder with a page that runs the file in a browser, and on a phone.",
    ),
]
ServeOption = Annotated[
    bool, typer.Option("--serve", help="Serve the folder of --web, to this machine alone.")
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host", metavar="ADDRESS", help="Serve on another address: 0.0.0.0 is every network."
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port of --serve; 8000 without it, 0 any free."),
]
QrOption = Annotated[
    bool, typer.Option("--qr", help="Show the address of --serve as a QR code (extra: web).")
]
RuntimeDirOption = Annotated[
    Path | None,
    typer.Option(
        "--runtime-dir",
        metavar="DIR",
        help="Tarballs of the browser's runtime, as npm pack writes them, for machines without a network.",
    ),
]
SmoothOption = Annotated[
    str | None,
    typer.Option(
        "--smooth",
        metavar="KIND[:NUMBER]",
        help="Steady class maps from frame to frame: exponential[:ALPHA] averages scores (of a file with head logits), "
        "majority[:FRAMES] takes the most frequent class; both lag under motion. Off without it.",
    ),
]

_BELONGS_TO = {
    "--output": ("--replay",),
    "--on": ("--replay",),
    "--record": ("--source",),
    "--smooth": ("--source",),
    "--headless": ("--source",),
    "--opacity": ("--source",),
    "--no-panel": ("--source",),
    "--limit": ("--source", "--replay"),
    "--split": ("--replay", "--contract", "--web"),
    "--data": ("--contract", "--web"),
    "--serve": ("--web",),
    "--runtime-dir": ("--web",),
    "--host": ("--serve",),
    "--port": ("--serve",),
    "--qr": ("--serve",),
}


def only_file(file: Path | None, artifact: Path | None) -> Path:
    """Return the file that was named, in either way."""
    named = [path for path in (file, artifact) if path is not None]
    if len(named) != 1:
        raise typer.BadParameter(
            f"{len(named)} files came; one that edge-deeplab export wrote was expected; name it once",
            param_hint="FILE",
        )
    return named[0]


def check_what_is_asked(tasks: Options, beside: Options) -> None:
    """Refuse several tasks at once, or none, and what belongs to another one than is asked for.

    A page replays photographs too, while it is served: `--web` and `--replay` are one task then.

    Args:
        tasks: by option; None where it was not given.
        beside: options that one of them takes, likewise.
    """
    asked = given(tasks)
    if len(asked) != 1 and not (asked == ["--replay", "--web"] and beside["--serve"]):
        raise typer.BadParameter(
            f"{' and '.join(asked) or 'none'} came; one of {', '.join(tasks)} was expected: what is shown, photographs "
            "whose class maps are written, or a folder for the contract or the page; pass one of them (--web takes "
            "--replay with --serve)",
            param_hint="--source",
        )
    refuse_without({**tasks, **beside}, _BELONGS_TO)
    refuse_beside({"--web": tasks["--web"]}, {"--on": beside["--on"]})
    if "--replay" in asked and beside["--output"] is None:
        raise typer.BadParameter(
            "--replay came without it; a folder for the class maps was expected; name one",
            param_hint="--output",
        )
