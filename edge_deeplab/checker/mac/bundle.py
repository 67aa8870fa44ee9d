"""The way to a Mac: a script that asks Core ML about one package, which it knows by the hash of its content."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from edge_deeplab.errors import ConfigError
from edge_deeplab.files import real_path, write_atomically
from edge_deeplab.formats.coreml import read_coreml
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.targets import target_of

_PLACEHOLDER = 'PACKAGE_SHA256 = ""'


def write_mac_script(package: Path, output: Path) -> None:
    """Write the script that asks Core ML about one package.

    Args:
        package: an `.mlpackage` that can be read.
        output: the script.

    Raises:
        ArtifactError: when the package cannot be read.
        ConfigError: when it is of another format.
        MissingDependencyError: without coremltools.
        OutputError: when the script cannot be written.
    """
    if target_of(package) != "coreml":
        raise ConfigError(
            f"{package} came for a Mac's script; an .mlpackage was expected, because the script asks Core ML; "
            "name the Core ML file"
        )
    if real_path(package) in (real_path(output), *real_path(output).parents):
        raise ConfigError(
            f"the script would be written to {output}, into the package itself; another place was expected; "
            "name a file beside it"
        )
    read_coreml(package)
    source = (files(__package__) / "script.py").read_text("utf-8")
    if source.count(_PLACEHOLDER) != 1:
        raise AssertionError("the script has lost the place of the package's hash")
    filled = source.replace(_PLACEHOLDER, f'PACKAGE_SHA256 = "{content_sha256(package)}"')
    write_atomically(output, f"#!/usr/bin/env python3\n{filled}")


def only_package(paths: Sequence[Path]) -> Path:
    """Return the one file that came.

    Raises:
        ConfigError: when more or none came.
    """
    if len(paths) != 1:
        raise ConfigError(
            f"{len(paths)} artifacts came; one .mlpackage was expected, because a Mac is asked about one package at a "
            "time; name it alone"
        )
    return paths[0]
