"""The `edge-deeplab` program: which verbs there are, and how it ends."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from edge_deeplab.cli.bench import bench
from edge_deeplab.cli.check import check
from edge_deeplab.cli.completion import SHELLS, prepare, print_script
from edge_deeplab.cli.compress import compress
from edge_deeplab.cli.data import data
from edge_deeplab.cli.demo import demo
from edge_deeplab.cli.doctor import doctor
from edge_deeplab.cli.evaluate import evaluate
from edge_deeplab.cli.export import export
from edge_deeplab.cli.import_ import import_
from edge_deeplab.cli.lab import lab
from edge_deeplab.cli.models import models
from edge_deeplab.cli.output import interruptible, print_json
from edge_deeplab.cli.parity import parity
from edge_deeplab.cli.prune import prune
from edge_deeplab.cli.qat import qat
from edge_deeplab.cli.report import report
from edge_deeplab.cli.rewrites import rewrites
from edge_deeplab.cli.terminal import say
from edge_deeplab.cli.train import train
from edge_deeplab.versions import __version__

_USAGE_EXIT_CODE = 2
_INTERRUPTED_EXIT_CODE = 130
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What every refused command line raises; typer publishes one kind of it."""


class _Program(TyperGroup):
    """The verbs; what a command line is refused with passes the terminal like everything else that is told."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the verb that `args` name and, standing alone, end with its exit code."""
        given = sys.argv[1:] if args is None else list(args)
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
            return sys.exit(code) if standalone_mode else code
        except _UsageError as error:
            if not standalone_mode:
                raise
            _refuse(error, as_json="--json" in given)
            sys.exit(_USAGE_EXIT_CODE)


def _refuse(error: Any, *, as_json: bool) -> None:
    """Print why a command line is refused, and how the verb is used."""
    message = error.format_message()
    if not message:  # the program alone, which has shown its help
        return
    if as_json:
        print_json({"error": message})
    if error.ctx is not None:
        for line in error.ctx.get_usage().splitlines():
            say(line, err=True)
        say(f"Try '{error.ctx.command_path} --help' for help.", err=True)
    say(f"error: {message}", err=True)


app = typer.Typer(
    name="edge-deeplab",
    cls=_Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: dict[str, Callable[..., Any]] = {
    "models": models,
    "data": data,
    "train": train,
    "evaluate": evaluate,
    "prune": prune,
    "qat": qat,
    "import": import_,
    "export": export,
    "check": check,
    "rewrites": rewrites,
    "parity": parity,
    "bench": bench,
    "compress": compress,
    "lab": lab,
    "report": report,
    "demo": demo,
    "doctor": doctor,
}

for _name, _function in VERBS.items():
    app.command(_name)(_function)


prepare()


def _print_version(value: bool) -> None:
    if value:
        say(__version__)
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    show_completion: Annotated[
        str | None,
        typer.Option(
            "--show-completion",
            metavar="|".join(SHELLS),
            callback=print_script,
            is_eager=True,
            help='Print the completion script of a shell: eval "$(edge-deeplab --show-completion bash)".',
        ),
    ] = None,
) -> None:
    """DeepLabV3+ from the training GPU to Core ML, TFLite and ONNX, with proof that the edge files keep its mIoU."""


def main() -> None:
    """Run the program; Ctrl-C and SIGTERM end it with code 130 at any time."""
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with interruptible():
            app()
    except KeyboardInterrupt:
        _leave_at_once()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED_EXIT_CODE:
            _leave_at_once()
        raise
    finally:  # what was to be told is told; nothing is left to be interrupted but Python's own end
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave_at_once() -> NoReturn:
    """End without Python's own end, in which packages whose import was interrupted crash; what is open was closed."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError):
            stream.flush()
    os._exit(_INTERRUPTED_EXIT_CODE)
