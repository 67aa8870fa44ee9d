"""The pinned npm packages that run a model in a browser: what a page needs of each, and getting them.

A package's tarball is the same bytes from everywhere, so its hash is pinned here and no place that it may come from is;
what is kept in the user's cache has been checked, and is checked again whenever it is read.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.child.ending import last_line
from edge_deeplab.errors import OutputError, ToolError
from edge_deeplab.files import write_atomically
from edge_deeplab.progress import SILENT, Progress

REGISTRY = "https://registry.npmjs.org"
_LONGEST_S = 600.0
_LARGEST = 1 << 27
"""Bytes of a tarball that are read at most."""


@dataclass(frozen=True)
class NpmPackage:
    """A version of a package.

    Args:
        name: with its scope.
        version: the pinned one.
        integrity: the base64 of its tarball's sha512, as lock files have it.
        files: where in the tarball lies what a page needs, by the name that it gets there.
        licence: the file of its text in `web/licences`.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]
    licence: str

    @property
    def tarball(self) -> str:
        """The name that `npm pack` gives its tarball."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def url(self) -> str:
        """Where the public registry has it."""
        return f"{REGISTRY}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


def _same(folder: str, *names: str) -> dict[str, str]:
    return {name: f"package/{folder}/{name}" for name in names}


_LITERT_BUILDS = [f"litert_wasm_{build}internal" for build in ("", "compat_", "threaded_")]
_ORT_BUILDS = [f"ort-wasm-simd-threaded{build}" for build in ("", ".asyncify")]

LITERT = NpmPackage(
    "@litertjs/core",
    "2.5.3",
    "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    {
        "litert.js": "package/dist/index.js",
        **_same("wasm", *(f"{build}.{end}" for build in _LITERT_BUILDS for end in ("js", "wasm"))),
    },
    "Apache-2.0.txt",
)
LITERT_LOADER = NpmPackage(
    "@litertjs/wasm-utils",
    "2.5.3",
    "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
    {"wasm-utils.js": "package/dist/index.js"},
    "Apache-2.0.txt",
)
ONNXRUNTIME = NpmPackage(
    "onnxruntime-web",
    "1.30.0",
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    _same(
        "dist",
        *("ort.wasm.min.mjs", "ort.webgpu.min.mjs"),
        *(f"{build}.{end}" for build in _ORT_BUILDS for end in ("mjs", "wasm")),
    ),
    "MIT-onnxruntime.txt",
)


def cache_folder() -> Path:
    """Return where tarballs are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edge-deeplab" / "web"


def read_package(
    package: NpmPackage, runtime_dir: Path | None = None, progress: Progress = SILENT
) -> dict[str, bytes]:
    """Return what a page needs of a package, by name.

    Args:
        package: which.
        runtime_dir: a folder with its tarball, for machines without a network; None for the cache, and the registry
            where it is not in there.
        progress: told when it is fetched.

    Raises:
        ToolError: when it cannot be had, or is not the pinned one.
    """
    tarball = _given(package, runtime_dir) if runtime_dir else _cached(package, progress)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(tarball)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            return {name: _member(archive, place) for name, place in package.files.items()}


def _member(archive: tarfile.TarFile, place: str) -> bytes:
    file = archive.extractfile(place)
    assert file is not None, "what is pinned has it"
    return file.read()


def require_tarballs(packages: Sequence[NpmPackage], folder: Path) -> None:
    """Check that a folder holds the tarballs of packages; a ToolError names the one that it does not."""
    for package in packages:
        if not (folder / package.tarball).is_file():
            raise ToolError(
                package.name,
                f"{folder} holds no {package.tarball}; the tarball was expected there; get it where there is a network "
                f"with: npm pack {package.name}@{package.version}",
            )


def _given(package: NpmPackage, folder: Path) -> bytes:
    """Return the tarball in a folder that the user named."""
    require_tarballs([package], folder)
    path = folder / package.tarball
    return _checked(package, path.read_bytes(), str(path))


def _cached(package: NpmPackage, progress: Progress) -> bytes:
    """Return the tarball in the cache, which gets it first where it is not in there as it should be."""
    path = cache_folder() / package.tarball
    if path.is_file() and _is_pinned(package, tarball := path.read_bytes()):
        return tarball
    progress.begin(f"fetching {package.name} {package.version}")
    tarball = _fetch(package)
    try:
        write_atomically(path, tarball)
    except OutputError as error:
        raise ToolError(package.name, f"it cannot be kept in the cache: {error}") from error
    return tarball


def _fetch(package: NpmPackage) -> bytes:
    """Return the tarball from npm, with the user's configuration, or without npm from the public registry."""
    npm = shutil.which("npm")
    if npm is None:
        return _checked(package, _download(package), package.url)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--ignore-scripts", "--fetch-retries=1"]
        command.append(f"{package.name}@{package.version}")
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=_LONGEST_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _unreachable(package, f"npm took more than {_LONGEST_S:g} s") from error
        tarballs = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(tarballs) != 1:
            raise _unreachable(
                package, f"npm said: {last_line(done.stderr.decode(errors='replace'))}"
            )
        return _checked(package, tarballs[0].read_bytes(), "npm")


def _download(package: NpmPackage) -> bytes:
    try:
        with urllib.request.urlopen(package.url, timeout=60) as answer:
            return bytes(answer.read(_LARGEST))
    except OSError as error:
        raise _unreachable(package, str(error)) from error


def _unreachable(package: NpmPackage, reason: str) -> ToolError:
    return ToolError(
        package.name,
        f"version {package.version} could not be fetched ({reason}); a network or a folder with {package.tarball} was "
        "expected; name such a folder with --runtime-dir",
    )


def _checked(package: NpmPackage, tarball: bytes, place: str) -> bytes:
    if not _is_pinned(package, tarball):
        raise ToolError(
            package.name,
            f"the tarball from {place} has another sha512 than version {package.version}; the pinned bytes were "
            "expected; fetch it again, and from another place if that does not help",
        )
    return tarball


def _is_pinned(package: NpmPackage, tarball: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(tarball).digest()).decode() == package.integrity
