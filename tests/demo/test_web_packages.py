"""The npm packages of a page: pinned, checked wherever they come from, and kept."""

import base64
import hashlib
import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge_deeplab.demo import web_packages
from edge_deeplab.demo.web_packages import (
    LITERT,
    LITERT_LOADER,
    ONNXRUNTIME,
    NpmPackage,
    cache_folder,
    read_package,
)
from edge_deeplab.errors import ToolError
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[NpmPackage]:
    """A cache of its own, and no registry: what is fetched fails and is noted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[NpmPackage] = []

    def fetch(package: NpmPackage) -> bytes:
        asked.append(package)
        raise ToolError(package.name, "no network")

    monkeypatch.setattr(web_packages, "_fetch", fetch)
    return asked


@pytest.fixture
def package(tmp_path: Path) -> NpmPackage:
    """A package whose tarball lies in `given`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/dist/index.js")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"code"))
    content = buffer.getvalue()
    integrity = base64.b64encode(hashlib.sha512(content).digest()).decode()
    made = NpmPackage("@a/tiny", "1.0.0", integrity, {"tiny.js": "package/dist/index.js"}, "MIT")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / made.tarball).write_bytes(content)
    return made


def test_package_of_a_named_folder_is_read_without_a_network(
    package: NpmPackage, tmp_path: Path, no_network: list[NpmPackage]
) -> None:
    assert read_package(package, tmp_path / "given") == {"tiny.js": b"code"}
    assert no_network == []


def test_package_is_fetched_once_and_kept(
    package: NpmPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (tmp_path / "given" / package.tarball).read_bytes()
    monkeypatch.setattr(web_packages, "_fetch", lambda _: given)
    assert read_package(package) == {"tiny.js": b"code"}
    monkeypatch.setattr(web_packages, "_fetch", lambda _: pytest.fail("it is kept"))
    assert read_package(package) == {"tiny.js": b"code"}


def test_damaged_package_in_the_cache_is_fetched_again(
    package: NpmPackage, no_network: list[NpmPackage]
) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / package.tarball).write_bytes(b"damaged")
    with pytest.raises(ToolError, match="no network"):
        read_package(package)
    assert no_network == [package]


def test_other_bytes_than_the_pinned_ones_are_refused(package: NpmPackage, tmp_path: Path) -> None:
    other = replace(package, integrity="x" * 86 + "==")
    with pytest.raises(ToolError, match=r"another sha512.*the pinned bytes"):
        read_package(other, tmp_path / "given")


def test_missing_tarball_is_named_with_what_gets_it(package: NpmPackage, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"holds no a-tiny-1\.0\.0\.tgz.*npm pack @a/tiny@1\.0\.0"):
        read_package(package, tmp_path)


@pytest.mark.parametrize(
    ("npm", "reason"),
    [(None, "could not be fetched"), ("exit 1; ", "npm said: no such package")],
)
def test_registry_that_cannot_be_reached_is_one_sentence(
    package: NpmPackage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    npm: str | None,
    reason: str,
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(web_packages, "REGISTRY", "http://127.0.0.1:9")
    script = tmp_path / "npm"
    script.write_text("#!/bin/sh\necho no such package >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: None if npm is None else str(script))
    with pytest.raises(ToolError, match=f"{reason}.*--runtime-dir"):
        read_package(package)


@pytest.mark.parametrize("package", [LITERT, LITERT_LOADER, ONNXRUNTIME], ids=lambda p: p.name)
def test_pins_are_whole_and_their_licences_are_at_hand(package: NpmPackage) -> None:
    assert len(base64.b64decode(package.integrity)) == 64
    assert package.url.startswith("https://registry.npmjs.org/")
    licence = REPOSITORY / "demo" / "web" / "licences" / package.licence
    assert ("MIT" if package is ONNXRUNTIME else "Apache License") in licence.read_text()
