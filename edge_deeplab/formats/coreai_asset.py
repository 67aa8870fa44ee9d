"""A Core AI asset as it lies on disk: a program, the program's hash, and what the asset says of itself.

The idea to hold: a program whose hash is another than the one beside it was damaged, and is refused before Apple's
parser, which is native code, sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.documents import parse_json
from edge_deeplab.errors import ArtifactError
from edge_deeplab.files import file_sha256
from edge_deeplab.formats.folders import check_links
from edge_deeplab.formats.source import read_bytes, unreadable

PROGRAM, HASH, METADATA = "main.mlirb", "main.hash", "metadata.json"
EXPECTED = "a Core AI asset with a program"
_VERSION, _CUSTOM = "assetVersion", "creatorDefinedMetadata"
_LARGEST_METADATA, _HASH_BYTES = 1 << 24, 32


@dataclass(frozen=True)
class StoredAsset:
    """What a folder holds, its program unparsed.

    Args:
        size: bytes of the program.
        version: of the asset's form.
        custom: what whoever made it wrote into its metadata.
    """

    size: int
    version: int
    custom: Mapping[str, Any]

    @property
    def description_text(self) -> str | None:
        """The embedded self-description; None where it has none."""
        told = self.custom.get(METADATA_KEY)
        return told if isinstance(told, str) else None


def read_asset(path: Path) -> StoredAsset:
    """Return what an `.aimodel` folder holds, its program held against its hash.

    Raises:
        ArtifactError: when it is no such folder, something in it leads outside, or it is damaged.
    """
    check_links(path)
    told = read_bytes(path / HASH, largest=_HASH_BYTES, wanted="the hash of a Core AI program")
    try:
        size, sha256 = (path / PROGRAM).stat().st_size, file_sha256(path / PROGRAM)
    except OSError as error:
        raise ArtifactError(
            f"{path / PROGRAM} cannot be read ({error.strerror or error}); {EXPECTED} was expected; check the path"
        ) from error
    if sha256 != told.hex():
        raise unreadable(path, EXPECTED, f"{PROGRAM} has another hash than {HASH} says")
    place = path / METADATA
    try:
        document = parse_json(read_bytes(place, largest=_LARGEST_METADATA))
        version, custom = int(float(document[_VERSION])), document.get(_CUSTOM, {})
        if not isinstance(custom, dict):
            raise TypeError(f"{_CUSTOM} is no table")
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise unreadable(place, "the metadata of a Core AI asset", str(error)) from error
    return StoredAsset(size, version, custom)
