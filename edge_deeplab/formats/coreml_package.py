"""A Core ML package as it lies on disk: its manifest, its model and its weight files.

The idea to hold: a package comes from a stranger, and its manifest, its links and its program all name files. Every
reader opens packages here, so that nothing outside the folder is read because something inside it says so, and so that
what a program takes from a weight file is known to be there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.documents import parse_json
from edge_deeplab.errors import require
from edge_deeplab.formats.coreml_weights import check_weights
from edge_deeplab.formats.folders import check_links, leading_out, leads_out
from edge_deeplab.formats.source import read_bytes, unreadable
from edge_deeplab.formats.wire import bound_messages
from edge_deeplab.text import printable

EXPECTED = "a Core ML package with an ML program"
_LARGEST_MANIFEST = 1 << 16


@dataclass(frozen=True)
class StoredModel:
    """The model of a package as it is stored.

    Args:
        message: the parsed `Model` protobuf; whatever stands in weight files stays there.
        size: bytes of the model file.
        weights: folder of the weight files; a program that stores none may have no such folder.
    """

    message: Any
    size: int
    weights: Path


def read_stored(path: Path, empty: Any) -> StoredModel:
    """Return the model of a package, its references to weight files checked.

    Args:
        path: an `.mlpackage` folder.
        empty: an empty `Model` message, of the protobuf classes that are wanted.

    Raises:
        ArtifactError: when it is not a Core ML package, something in it leads outside, or its program takes from a
            weight file what is not there.
    """
    specification = locate_model(path)
    decode_error = require(
        "google.protobuf.message", package="protobuf", extra="coreml"
    ).DecodeError
    try:
        content = read_bytes(specification)
        bound_messages(content, empty.DESCRIPTOR)
        empty.ParseFromString(content)
        check_weights(empty, specification.parent)
    except (decode_error, ValueError) as error:
        raise unreadable(path, EXPECTED, str(error)) from error
    return StoredModel(empty, len(content), specification.parent / "weights")


def locate_model(path: Path) -> Path:
    """Return the model file that a package's manifest names.

    Args:
        path: an `.mlpackage` folder.

    Raises:
        ArtifactError: when there is no sound manifest, or an entry of it or a link leads out of the package.
    """
    check_links(path)
    manifest = path / "Manifest.json"
    try:
        document = parse_json(read_bytes(manifest, largest=_LARGEST_MANIFEST))
        entries = document["itemInfoEntries"]
        named = {key: path / "Data" / str(entry["path"]) for key, entry in entries.items()}
        model = named[document["rootModelIdentifier"]]
        outside = [place for place in named.values() if leads_out(place, path)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(manifest, "the manifest of a Core ML package", repr(error)) from error
    if outside:
        raise leading_out(manifest, f"names {printable(str(outside[0]))}")
    return model
