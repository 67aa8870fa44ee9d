"""Which exported files a caller means: files, or folders that an export wrote."""

from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.errors import ConfigError
from edge_deeplab.formats.manifest import MANIFEST, parse_manifest
from edge_deeplab.targets import target_of

EXPORTS = Path("exports")
"""Folder that `edge-deeplab export` writes to where no other is named."""


def expand_artifacts(paths: Sequence[Path] | None) -> list[Path]:
    """Return the artifacts that arguments mean: a folder of exports stands for the files its manifest lists.

    Args:
        paths: exported files, or folders that hold a manifest.json; None for `EXPORTS`. What does not exist stays, and
            fails when opened.

    Raises:
        ConfigError: when a folder has no manifest that can be read.
    """
    if paths is None and not (EXPORTS / MANIFEST).is_file():
        raise ConfigError(
            f"no artifact came and there is no {EXPORTS / MANIFEST}; exported files were expected; "
            "export a checkpoint first, or name the files"
        )
    expanded: list[Path] = []
    for path in [EXPORTS] if paths is None else paths:
        is_folder = path.is_dir() and target_of(path) is None
        expanded += _listed_artifacts(path / MANIFEST) if is_folder else [path]
    return expanded


def _listed_artifacts(manifest: Path) -> list[Path]:
    """Return the artifacts of an export's manifest, which stand beside it."""
    if not manifest.exists():
        raise ConfigError(
            f"{manifest.parent} is a folder without {MANIFEST}; an exported file, or a folder that edge-deeplab export "
            "wrote, was expected; name the files"
        )
    try:
        paths = [manifest.parent / entry["file"] for entry in parse_manifest(manifest)]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{manifest} does not list exported files ({error}); "
            "a manifest of edge-deeplab export was expected; export again or name the files"
        ) from error
    if not paths:
        raise ConfigError(f"{manifest} lists no artifacts; at least one was expected; export again")
    return paths
