"""`manifest.json`: what lies in an export folder, with sizes and hashes, so that a build can check what it ships."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_deeplab.documents import Fields, read_json
from edge_deeplab.errors import OutputError
from edge_deeplab.files import path_inside, write_atomically

MANIFEST = "manifest.json"
FORMAT = "edge-deeplab-manifest/1"
_MOST_ARTIFACTS = 10_000

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
    kept = [
        e for e in read_manifest(folder) if e["file"] not in new and (folder / e["file"]).exists()
    ]
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


def read_manifest(folder: Path) -> list[ManifestEntry]:
    """Return the entries of a folder's manifest, each of a file in the folder; none where it has none.

    Raises:
        OutputError: when a file of that name is no manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        document = Fields(read_json(path))
        document.choice("format", [FORMAT])
        return _entries(document, folder)
    except (ValueError, OSError) as error:
        raise OutputError(
            f"{path} is not a manifest of this project ({error}), and would be overwritten; "
            "an export folder was expected; choose another output or remove that file"
        ) from error


def parse_manifest(path: Path) -> list[ManifestEntry]:
    """Return the entries of a manifest, each of a file beside it; its format may be unsaid, as in one written by hand.

    Raises:
        OSError, ValueError: when it is none; the message says what is wrong.
    """
    document = Fields(read_json(path))
    if document.has("format"):
        document.choice("format", [FORMAT])
    return _entries(document, path.parent)


def _entries(document: Fields, folder: Path) -> list[ManifestEntry]:
    for entry in document.every("artifacts", 0, _MOST_ARTIFACTS):
        path_inside(folder, entry.text("file"))
    return list(document.get("artifacts"))
