"""The `edge-deeplab` program: which verbs there are."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from edge_deeplab import __version__
from edge_deeplab.cli.bench import bench
from edge_deeplab.cli.check import check
from edge_deeplab.cli.compress import compress
from edge_deeplab.cli.demo import demo
from edge_deeplab.cli.doctor import doctor
from edge_deeplab.cli.evaluate import evaluate
from edge_deeplab.cli.export import export
from edge_deeplab.cli.models import models
from edge_deeplab.cli.parity import parity
from edge_deeplab.cli.prune import prune
from edge_deeplab.cli.qat import qat
from edge_deeplab.cli.rewrites import rewrites
from edge_deeplab.cli.train import train

app = typer.Typer(
    name="edge-deeplab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, Callable[..., Any]] = {
    "models": models,
    "train": train,
    "evaluate": evaluate,
    "prune": prune,
    "qat": qat,
    "export": export,
    "check": check,
    "rewrites": rewrites,
    "parity": parity,
    "bench": bench,
    "compress": compress,
    "demo": demo,
    "doctor": doctor,
}

for _name, _function in VERBS.items():
    app.command(_name)(_function)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """DeepLabV3+ from the training GPU to Core ML, TFLite and ONNX, with proof that the edge files keep its mIoU."""


def main() -> None:
    """Run the program."""
    app()
