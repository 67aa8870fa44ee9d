"""`edge-deeplab check --mac-script` and `--merge`: what Core ML itself says, asked on a Mac."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.cli.output import print_json
from edge_deeplab.cli.terminal import say
from edge_deeplab.errors import ConfigError

if TYPE_CHECKING:
    from edge_deeplab.checker.report import ArtifactReport


def write_script(paths: Sequence[Path], output: Path, *, as_json: bool) -> None:
    """Write the script for one package and tell how to run it.

    Raises:
        ArtifactError: when the package cannot be read.
        ConfigError: when it is not one package.
        MissingDependencyError: without coremltools.
        OutputError: when the script cannot be written.
    """
    from edge_deeplab.checker.mac.bundle import write_mac_script

    package = _only(paths, "--mac-script")
    write_mac_script(package, output)
    if as_json:
        print_json({"package": str(package), "mac_script": str(output)})
    else:
        say(
            f"{output} is written; take it and {package} to a Mac and run: "
            f"python {_argument(output)} {_argument(package)} [IMAGE ...]"
        )


def merge_observed(
    paths: Sequence[Path], reports: "Mapping[Path, ArtifactReport]", result: Path
) -> "dict[Path, ArtifactReport]":
    """Return the report of the one package with what a Mac observed.

    Raises:
        ArtifactError: when the result cannot be read, or is about another package.
        ConfigError: when several artifacts came.
    """
    from edge_deeplab.checker.mac.bundle import merge_result

    path = _only(paths, "--merge")
    return {path: merge_result(reports[path], result)} if path in reports else dict(reports)


def _argument(path: Path) -> str:
    """Return a file's name as a shell takes it for one argument that is no option."""
    return shlex.quote(f"./{path.name}" if path.name.startswith("-") else path.name)


def _only(paths: Sequence[Path], option: str) -> Path:
    if len(paths) != 1:
        raise ConfigError(
            f"{option} came with {len(paths)} artifacts; one .mlpackage was expected, because a Mac is asked about one "
            "package at a time; name it alone"
        )
    return paths[0]
