"""Which Vulkan driver a tool gets: the system's own, or the software one that Debian's chromium brings."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_deeplab.files import file_sha256

_NAMED = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
"""Environment variables with which a user names drivers."""
_SYSTEM = ("/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")
_DEVICES = Path("/dev/dri")
SOFTWARE = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""SwiftShader. Mesa's software driver of Debian 12 lacks a feature that Dawn asks for."""
NO_DRIVER = "a Vulkan driver was expected; install your GPU's, or a software one with: apt-get install chromium"


def find_driver() -> Mapping[str, str] | None:
    """Return what a tool's environment must say so that it finds a driver; None where there is none."""
    if any(os.environ.get(name) for name in _NAMED):
        return {}
    if any(_DEVICES.glob("renderD*")) and any(_manifests(_SYSTEM)):
        return {}
    if not SOFTWARE.is_file():
        return None
    loaders = [str(SOFTWARE.parent), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {_NAMED[1]: str(SOFTWARE), "LD_LIBRARY_PATH": os.pathsep.join(loaders)}


def driver_state() -> Mapping[str, Mapping[str, str | None]]:
    """Return all that decides which driver a tool gets: variables that name one, and each manifest's hash by its path.

    A manifest that cannot be read has None.
    """
    named = {name: os.environ.get(name) for name in _NAMED}
    places = [place for value in named.values() if value for place in value.split(os.pathsep)]
    found = {str(path): _hash(path) for path in _manifests((*places, *_SYSTEM, str(SOFTWARE)))}
    return {"variables": named | dict(find_driver() or {}), "manifests": found}


def _manifests(places: Sequence[str]) -> Iterator[Path]:
    """Yield the manifests that are named, or stand in folders that are."""
    for place in map(Path, places):
        yield from sorted(place.glob("*.json")) if place.is_dir() else filter(Path.exists, [place])


def _hash(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None
