"""The folder that `demo --web` writes: a page that runs one model in a browser, hosted anywhere, with no build step.

Page, contract, model, golden frames and runtime are plain files beside each other, and every path in them is relative.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.demo.contract import Contract, read_contract
from edge_deeplab.demo.contract_code import LANGUAGES, write_language
from edge_deeplab.demo.contract_folder import CONTRACT, write_document
from edge_deeplab.demo.golden import GOLDEN, spread, write_golden
from edge_deeplab.demo.pipeline import caption, require_description
from edge_deeplab.demo.web_packages import (
    LITERT,
    LITERT_LOADER,
    ONNXRUNTIME,
    NpmPackage,
    read_package,
)
from edge_deeplab.errors import ArtifactError
from edge_deeplab.files import check_replaceable, replace_when_complete, write_atomically
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime

SITE = "site.json"
FORMAT = "edge-deeplab-web/1"
_WORKER = "service-worker.js"
_VERSION = "@version@"
"""In the service worker: stands for the hash of all files, so that a browser sees that one changed."""


@dataclass(frozen=True)
class WebRuntime:
    """What runs a format in a browser.

    Args:
        name: as replays and the page name it.
        engine: its module in the page.
        packages: what it consists of; the first one's version is the runtime's.
        types: of tensors that it takes at a model's interface.
    """

    name: str
    engine: str
    packages: tuple[NpmPackage, ...]
    types: tuple[str, ...]


WEB_RUNTIMES = {
    "tflite": WebRuntime(
        "LiteRT.js", "litert", (LITERT, LITERT_LOADER), ("float32", "int32", "uint8")
    ),
    "onnx": WebRuntime(
        "onnxruntime-web",
        "onnxruntime",
        (ONNXRUNTIME,),
        ("float32", "int8", "uint8", "int32", "int64"),
    ),
}
"""By the ending of a model's file."""


@dataclass(frozen=True)
class WebSite:
    """A folder that was written.

    Args:
        path: the folder.
        contract: of the model in it.
        runtime: what runs it there.
        version: the hash of all files.
        page_bytes: without model, runtime and golden frames.
        total_bytes: of everything.
    """

    path: Path
    contract: Contract
    runtime: WebRuntime
    version: str
    page_bytes: int
    total_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return what `demo --web --json` prints."""
        return {
            "path": str(self.path),
            "model": self.contract.model,
            "model_sha256": self.contract.model_sha256,
            "runtime": f"{self.runtime.name} {self.runtime.packages[0].version}",
            "version": self.version,
            "page_bytes": self.page_bytes,
            "total_bytes": self.total_bytes,
        }


def runtime_for(path: Path) -> WebRuntime:
    """Return what runs a file in a browser.

    Raises:
        ArtifactError: when nothing here does.
    """
    runtime = WEB_RUNTIMES.get(path.suffix.lower().removeprefix("."))
    if runtime is None:
        raise ArtifactError(
            f"{path} runs in no browser; a .tflite or an .onnx file was expected; export it as one of them"
        )
    return runtime


def write_site(
    runtime: Runtime,
    dataset: SegmentationDataset,
    output: Path,
    runtime_dir: Path | None = None,
    progress: Progress = SILENT,
) -> WebSite:
    """Write the folder of a model's page; it appears when it is complete.

    Args:
        runtime: the loaded file, which describes itself.
        dataset: whose images become golden frames.
        output: a folder that is new, empty or an earlier page's.
        runtime_dir: a folder with the tarballs of the packages, for machines without a network.
        progress: told of each stage.

    Raises:
        ArtifactError: when no browser runs the file, or its contract cannot be written.
        DataError: when an image cannot be read.
        OutputError: when the folder cannot be written, or holds something else.
        ToolError: when a package cannot be had.
    """
    web = runtime_for(runtime.path)
    check_replaceable(output, SITE, is_own)
    indices = spread(len(dataset))
    contract = read_contract(runtime)
    _check_types(contract, web, runtime.path)
    packages = [(package, read_package(package, runtime_dir, progress)) for package in web.packages]
    with replace_when_complete(output) as folder:
        folder.mkdir()
        _copy(files(__package__) / "web", folder)
        page_bytes = _bytes_below(folder)
        write_golden(runtime, dataset, indices, folder / GOLDEN, progress)
        write_language(contract, "javascript", folder)
        write_document(contract, folder)
        _write_runtime(packages, folder / "runtime")
        (folder / f"model{runtime.path.suffix.lower()}").write_bytes(runtime.path.read_bytes())
        version = _finish(folder, web, caption(require_description(runtime)))
        total_bytes = _bytes_below(folder)
    return WebSite(output, contract, web, version, page_bytes, total_bytes)


def is_own(name: str) -> bool:
    """Return whether something in a page's folder is the page's."""
    page = {entry.name for entry in (files(__package__) / "web").iterdir()}
    models = {f"model.{ending}" for ending in WEB_RUNTIMES}
    code = {language.file for language in LANGUAGES if language.folder == "javascript"}
    return name in page | models | code | {SITE, CONTRACT, GOLDEN, "runtime"}


def _check_types(contract: Contract, web: WebRuntime, path: Path) -> None:
    for does, kind in (("takes", contract.input.type), ("gives", contract.output.type)):
        if kind not in web.types:
            raise ArtifactError(
                f"{path} {does} {kind}, which {web.name} has no tensors of; one of {', '.join(web.types)} was "
                "expected; export it again with another head"
            )


def _copy(source: Traversable, folder: Path) -> None:
    """Copy the page's own files; what is installed may lie in an archive."""
    for entry in source.iterdir():
        place = folder / entry.name
        if entry.is_dir():
            place.mkdir()
            _copy(entry, place)
        else:
            place.write_bytes(entry.read_bytes())


def _write_runtime(packages: list[tuple[NpmPackage, dict[str, bytes]]], folder: Path) -> None:
    """Write what the packages hold, and their licences beside it."""
    folder.mkdir()
    told = []
    for package, contents in packages:
        for name, content in contents.items():
            (folder / name).write_bytes(
                _without_bare_import(content) if name == "litert.js" else content
            )
        told.append(f"{package.name} {package.version}: ../licences/{package.licence}\n")
    (folder / "LICENCES.txt").write_text("".join(told), "utf-8")


def _without_bare_import(module: bytes) -> bytes:
    """Return LiteRT.js with the one import that only a bundler finds led to the file beside it."""
    changed = module.replace(b'"@litertjs/wasm-utils"', b'"./wasm-utils.js"')
    assert changed != module, "what is pinned has it"
    return changed


def _finish(folder: Path, web: WebRuntime, told: str) -> str:
    """Write what page and service worker must know of the folder, what is told of it included; return the version."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    hashes = hashlib.sha256()
    for path in paths:
        hashes.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    version = hashes.hexdigest()[:16]
    site = {
        "format": FORMAT,
        "version": version,
        "caption": told,
        "model": next(path.name for path in folder.glob("model.*")),
        "engine": web.engine,
        "runtime": web.name,
        "runtime_version": web.packages[0].version,
        "files": [path.relative_to(folder).as_posix() for path in paths],
    }
    write_atomically(folder / SITE, json.dumps(site, indent=1) + "\n")
    worker = folder / _WORKER
    worker.write_text(worker.read_text("utf-8").replace(_VERSION, version), "utf-8")
    return version


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
