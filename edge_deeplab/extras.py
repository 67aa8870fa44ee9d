"""What extras bring: which one installs a module that is missing, and for which machines previews have wheels."""

import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from edge_deeplab.errors import MissingDependencyError

_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+)[^\[]*;.*\bextra == ['\"](?P<extra>\w+)['\"]")
_TAG = re.compile(r"(manylinux|macosx|win)(?:_(\d+)_(\d+))?_(\w+)")
_SYSTEMS = {"manylinux": "Linux", "macosx": "macOS", "win": "Windows"}
_MACHINES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64"}


@dataclass(frozen=True)
class Computer:
    """What decides whether a wheel can be installed.

    Args:
        python: its version's first two numbers.
        system: Linux, macOS, Windows, or as `platform` names another.
        processor: x86-64, ARM64, or as `platform` names another.
        release: of macOS, or of the glibc on Linux; None where it has none.
    """

    python: tuple[int, int]
    system: str
    processor: str
    release: tuple[int, ...] | None = None

    @classmethod
    def this(cls) -> "Computer":
        """Return the machine that this process runs on."""
        system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
        told = {"macOS": platform.mac_ver()[0], "Linux": platform.libc_ver()[1]}.get(system, "")
        release = tuple(map(int, re.findall(r"\d+", told)[:2])) or None
        processor = platform.machine()
        return cls(
            sys.version_info[:2], system, _MACHINES.get(processor.lower(), processor), release
        )

    def __str__(self) -> str:
        python = ".".join(map(str, self.python))
        return f"Python {python} on {_named(self.system, self.processor, self.release)}"


@dataclass(frozen=True)
class Wheels:
    """The machines for which a package can be installed without a compiler of one's own.

    Args:
        package: the one of its extra that has the narrowest choice.
        version: whose wheels these are; the tested one.
        pythons: the lowest and the highest version of Python.
        tags: platforms, as the files of the wheels name them.
    """

    package: str
    version: str
    pythons: tuple[tuple[int, int], tuple[int, int]]
    tags: tuple[str, ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms in words."""
        return tuple(_named(*_read(tag), newer=" or newer") for tag in self.tags)

    def take(self, machine: Computer) -> bool:
        """Whether one of them is for a machine."""
        lowest, highest = self.pythons
        return lowest <= machine.python <= highest and any(
            (system, processor) == (machine.system, machine.processor)
            and (least is None or (machine.release or ()) >= least)
            for system, processor, least in map(_read, self.tags)
        )

    def told(self, machine: Computer) -> str:
        """Return a sentence of what there is, and whether it is there for a machine."""
        lowest, highest = (".".join(map(str, python)) for python in self.pythons)
        end = (
            "is one of them"
            if self.take(machine)
            else "is none of them: it cannot be installed here"
        )
        return (
            f"a preview: {self.package} {self.version} has wheels for Python {lowest} to {highest} on "
            f"{', '.join(self.platforms)}; this machine, {machine}, {end}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the limits as plain JSON values, with whether they take this machine."""
        return {
            "package": self.package,
            "version": self.version,
            "python": [".".join(map(str, python)) for python in self.pythons],
            "platforms": [*self.platforms],
            "preview": True,
            "installable_here": self.take(Computer.this()),
        }


WHEELS: Mapping[str, Wheels] = {
    "executorch": Wheels(
        package="executorch",
        version="1.5.1",
        pythons=((3, 10), (3, 14)),
        tags=(
            "manylinux_2_28_x86_64",
            "manylinux_2_28_aarch64",
            "macosx_14_0_arm64",
            "win_amd64",
        ),
    ),
    "coreai": Wheels(
        package="coreai-core",
        version="1.0.0b3",
        pythons=((3, 11), (3, 14)),
        tags=("manylinux_2_34_x86_64", "macosx_26_0_arm64"),
    ),
}
"""By extra: of the previews, whose packages have wheels for few machines; as the package index lists them."""


def _read(tag: str) -> tuple[str, str, tuple[int, ...] | None]:
    """Return the system, processor and lowest release that a platform's tag names."""
    match = _TAG.fullmatch(tag)
    assert match is not None, tag
    family, major, minor, processor = match.groups()
    least = None if major is None else (int(major), int(minor))
    return _SYSTEMS[family], _MACHINES[processor], least


def _named(system: str, processor: str, release: tuple[int, ...] | None, newer: str = "") -> str:
    number = "" if release is None else ".".join(map(str, release)) + newer
    if not number:
        return f"{system} {processor}"
    is_mac = system == "macOS"
    return (
        f"macOS {number} on {processor}" if is_mac else f"{system} {processor} with glibc {number}"
    )


def missing_dependency(error: ModuleNotFoundError) -> MissingDependencyError | None:
    """Return the error that says how to install what an import lacked.

    Args:
        error: of the import.

    Returns:
        None where no extra names the module's package: then it is not for the user to install.
    """
    package = (error.name or "").partition(".")[0].replace("_", "-")
    try:
        requirements = requires("edge-deeplab") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return None
    for match in filter(None, map(_REQUIREMENT.match, requirements)):
        if match["package"] == package:
            return MissingDependencyError(package, match["extra"])
    return None
