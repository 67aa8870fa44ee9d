"""Which Vulkan driver a tool gets: the system's own, or the software one that Debian's chromium brings."""

import os
from collections.abc import Mapping
from pathlib import Path

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
    drivers = (driver for folder in _SYSTEM for driver in Path(folder).glob("*.json"))
    if any(_DEVICES.glob("renderD*")) and any(drivers):
        return {}
    if not SOFTWARE.is_file():
        return None
    loaders = [str(SOFTWARE.parent), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return {_NAMED[1]: str(SOFTWARE), "LD_LIBRARY_PATH": os.pathsep.join(loaders)}
