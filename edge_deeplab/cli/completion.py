"""Completion in bash, zsh and fish: the scripts, and the names that arguments and options are completed with.

A script asks the program itself, through the variable that it sets; whatever answers must be quick, so no torch.
"""

import os
from collections.abc import Callable

import typer

from edge_deeplab.api.choices import Kind, choices
from edge_deeplab.cli.terminal import write_document

SHELLS = ("bash", "zsh", "fish")
_PROGRAM, _VARIABLE = "edge-deeplab", "_EDGE_DEEPLAB_COMPLETE"


def print_script(shell: str | None) -> None:
    """Print a shell's completion script and end; the callback of an eager option.

    Raises:
        typer.BadParameter: for another shell.
        typer.Exit: once it is printed.
    """
    if shell is None:
        return
    if shell not in SHELLS:
        known = ", ".join(SHELLS)
        raise typer.BadParameter(f"{shell!r} came; one of {known} was expected")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name=_PROGRAM, complete_var=_VARIABLE, shell=shell)
    write_document(f"{script}\n")
    raise typer.Exit


def prepare() -> None:
    """Let the program answer a script that asks; otherwise do nothing."""
    if _VARIABLE in os.environ:
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # registers typer's shells


def names_of(kind: Kind) -> Callable[[str], list[str]]:
    """Return what completes a name of a kind; files are left to the shell, which knows how to quote their names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in choices(kind) if name.startswith(incomplete)]

    return complete
