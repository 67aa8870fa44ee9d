"""What tools said is kept, content-addressed: the same file, tool, device and request are not asked again.

An answer stands in a file that is named after a hash of everything that it depends on; one that failed is not kept, so
that an interrupted lab goes on where it was.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from platform import machine
from typing import Any

from edge_deeplab.documents import Fields, read_json
from edge_deeplab.errors import OutputError
from edge_deeplab.files import write_atomically
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.lab.environments import FOLDER_VARIABLE, ToolStatus, lab_folder
from edge_deeplab.lab.vulkan import driver_state
from edge_deeplab.versions import __version__

log = logging.getLogger(__name__)

Answer = Mapping[str, Any]
"""JSON values, as a worker or a measurement gave them."""


def keep_answer(
    status: ToolStatus, path: Path, request: Mapping[str, Any], ask: Callable[[], Answer]
) -> Answer:
    """Return what was answered before, or ask and keep the answer.

    Args:
        status: of the tool.
        path: the file.
        request: everything else that the answer depends on, JSON values.
        ask: gives the answer.
    """
    place = lab_folder() / "answers" / f"{_key(status, path, request)}.json"
    try:
        return Fields(read_json(place)).table("answer")
    except (OSError, ValueError):  # not there, or damaged
        answer = ask()
    try:
        document = {"request": dict(request), "answer": dict(answer)}
        write_atomically(place, json.dumps(document) + "\n")
    except OutputError:
        log.warning(
            "%s cannot be written, so what tools say is not kept; name another folder with %s",
            place.parent,
            FOLDER_VARIABLE,
        )
    return answer


def _key(status: ToolStatus, path: Path, request: Mapping[str, Any]) -> str:
    document = {
        "edge-deeplab": __version__,
        "tool": status.named,
        "pins": status.tool.pins,
        "worker": content_sha256(status.tool.script),
        "file": content_sha256(path),
        "request": dict(request),
        "machine": machine(),
        "driver": driver_state() if status.tool.needs_vulkan else None,
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
