"""Edits of a saved Core ML package: the same graph gives the same bytes, whenever and wherever it is exported."""

import importlib
import json
import uuid
from pathlib import Path
from typing import Any

_DATE = "com.github.apple.coremltools.conversion_date"


def remove_chance(package: Path) -> None:
    """Rewrite a package, in place, without what changes from run to run: dates, random identifiers, order of maps.

    Args:
        package: `.mlpackage` folder that coremltools has written.
    """
    manifest = json.loads((package / "Manifest.json").read_text())
    root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
    _rewrite_program(package / "Data" / root["path"])
    stable = {
        old: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"]))
        for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {
        stable[old]: entry for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = stable[manifest["rootModelIdentifier"]]
    text = json.dumps(manifest, indent=4, sort_keys=True)
    (package / "Manifest.json").write_text(text + "\n")


def _rewrite_program(path: Path) -> None:
    proto: Any = importlib.import_module("coremltools.proto.Model_pb2")
    model = proto.Model()
    model.ParseFromString(path.read_bytes())
    model.description.metadata.userDefined.pop(_DATE, None)
    path.write_bytes(model.SerializeToString(deterministic=True))
