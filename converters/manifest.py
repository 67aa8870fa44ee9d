"""`manifest.json`: what lies in an export folder, with sizes and hashes, so that a build can check what it ships."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.errors import OutputError
from edge_deeplab.files import write_atomically

MANIFEST = "manifest.json"
FORMAT = "edge-deeplab-manifest/1"

ManifestEntry = Mapping[str, Any]


def write_manifest(folder: Path, entries: Sequence[ManifestEntry]) -> None:
    """Write or bring up to date a folder's manifest.

    Entries of earlier exports stay while their file does, unless a new entry names the same file.

    Args:
        folder: where the artifacts lie.
        entries: one for each new artifact; each has the key "file".

    Raises:
        OutputError: when it cannot be written, or a file of that name is no manifest.
    """
    new = {entry["file"]: entry for entry in entries}
    kept = [e for e in _read(folder) if e["file"] not in new and (folder / e["file"]).exists()]
    ordered = sorted([*kept, *new.values()], key=lambda entry: str(entry["file"]))
    document = {"format": FORMAT, "artifacts": ordered}
    write_atomically(folder / MANIFEST, json.dumps(document, indent=2) + "\n")


def content_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in _files(path))


def content_sha256(path: Path) -> str:
    """Return the hash of a file; of a folder, the hash of its files' relative names and contents in sorted order."""
    digest = hashlib.sha256()
    for file in _files(path):
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]


def _read(folder: Path) -> list[ManifestEntry]:
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        document = json.loads(path.read_text())
        if document["format"] != FORMAT:
            raise ValueError(f"format is not {FORMAT}")
        return list(document["artifacts"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise OutputError(
            f"{path} is not a manifest of this project ({error}), and would be overwritten; "
            "an export folder was expected; choose another --output or remove that file"
        ) from error
