"""The folder that `demo --contract` writes: `contract.json`, the same as code, and golden frames."""

import json
from pathlib import Path

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.demo.contract import Contract, read_contract
from edge_deeplab.demo.contract_code import LANGUAGES, write_code
from edge_deeplab.demo.golden import GOLDEN, spread, write_golden
from edge_deeplab.files import (
    check_replaceable,
    check_writable,
    replace_when_complete,
    write_atomically,
)
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime

CONTRACT = "contract.json"


def write_contract(
    runtime: Runtime, dataset: SegmentationDataset, output: Path, progress: Progress = SILENT
) -> Contract:
    """Write a folder with `contract.json`, the same as code in four languages, and golden frames.

    Args:
        runtime: a loaded exported file that describes itself.
        dataset: whose images, eight spread over it, become golden frames.
        output: a folder that is new, empty or an earlier contract.
        progress: told of each frame.

    Raises:
        ArtifactError: as for `read_contract`.
        DataError: when an image cannot be read.
        OutputError: when the folder cannot be written, or holds something else.
    """
    check_output(output)
    indices = spread(len(dataset))
    contract = read_contract(runtime)
    with replace_when_complete(output) as folder:
        folder.mkdir()
        write_golden(runtime, dataset, indices, folder / GOLDEN, progress)
        write_code(contract, folder)
        write_document(contract, folder)
    return contract


def write_document(contract: Contract, folder: Path) -> None:
    """Write `contract.json` into a folder; an OutputError where it cannot be."""
    write_atomically(folder / CONTRACT, json.dumps(contract.to_json(), indent=1) + "\n")


def check_output(folder: Path) -> None:
    """Check, before any work, that a contract can be written to a folder and nothing else is lost.

    Raises:
        OutputError: when it cannot, or something else lies there.
    """
    names = (CONTRACT, GOLDEN, *(language.file for language in LANGUAGES))
    check_writable(folder, "folder")
    check_replaceable(folder, CONTRACT, lambda name: name in names)
