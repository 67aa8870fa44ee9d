"""An environment a tool, below the user's cache: what is there, what is missing and how to get it, and making it.

The idea to hold: an environment is built beside its place and renamed when complete, so what stands there is whole; and
what is installed in it is read from the packages themselves, not from a note about them.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from platform import libc_ver, machine
from typing import Any

from edge_deeplab.child.ending import last_line
from edge_deeplab.errors import ConfigError, OutputError, ToolError, checking
from edge_deeplab.files import remove_leftovers, replace_when_complete, write_atomically
from edge_deeplab.lab.tools import Tool
from edge_deeplab.lab.vulkan import NO_DRIVER, find_driver
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.versions import installed_version

FOLDER_VARIABLE = "EDGE_DEEPLAB_LAB"
"""Environment variable that names another folder for tools and what they said than the user's cache."""
INSTALLED_FILE = "installed.txt"
"""In an environment: every package with its version, as it was made."""
_LONGEST_INSTALL_S = 3600.0


class ToolState(StrEnum):
    """What is there of a tool."""

    INSTALLED = "installed"
    MISSING = "missing"
    OTHER_VERSION = "other version"
    BROKEN = "broken"
    UNSUPPORTED = "unsupported platform"


@dataclass(frozen=True)
class ToolStatus:
    """A tool as it is on this machine.

    Args:
        tool: which.
        state: what is there of it.
        version: the one that is installed; None where none is.
        lack: what is wrong and how to get it, one sentence; None where it can be used.
        python: what runs its worker, where it is installed.
    """

    tool: Tool
    state: ToolState
    version: str | None = None
    lack: str | None = None
    python: Path | None = None

    @property
    def named(self) -> str:
        """The tool as observations name it: "ethos-u-vela 5.2.0"."""
        return f"{self.tool.package} {self.version}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "tool": self.tool.name,
            "label": self.tool.label,
            "state": self.state,
            "version": self.version,
            "lack": self.lack,
            "licence": self.tool.licence.name,
            "licence_url": self.tool.licence.url,
            "must_accept": self.tool.licence.must_accept,
        }


def lab_folder() -> Path:
    """Return the folder of all tools and of what they said."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edge-deeplab" / "lab"


def environment_of(tool: Tool) -> Path:
    """Return where a tool's environment stands, or would."""
    return lab_folder() / "tools" / tool.name


def inspect_tool(tool: Tool) -> ToolStatus:
    """Return what is there of a tool, without starting it."""
    if (reason := _unsupported(tool)) is not None:
        return ToolStatus(tool, ToolState.UNSUPPORTED, lack=reason)
    status = _inspect_environment(tool) if tool.pins else _inspect_own(tool)
    if status.state is ToolState.INSTALLED and tool.needs_vulkan and find_driver() is None:
        return ToolStatus(
            tool, ToolState.MISSING, status.version, f"{tool.label} finds no driver: {NO_DRIVER}"
        )
    return status


def install_tool(
    tool: Tool, *, accept_licence: bool = False, progress: Progress = SILENT
) -> ToolStatus:
    """Make a tool's environment, in place of one of another version or a broken one; one that is whole is left.

    Args:
        tool: which.
        accept_licence: a yes to its terms, where those ask for one.
        progress: told the terms before anything is installed, and every stage.

    Raises:
        ConfigError: when its terms want a yes and none came.
        ToolError: when it does not run on this machine, or cannot be installed.
    """
    before = inspect_tool(tool)
    if before.state is ToolState.UNSUPPORTED:
        raise ToolError(tool.name, str(before.lack))
    if before.state is ToolState.INSTALLED or not tool.pins:
        progress.note(before.lack or f"{tool.name}: {before.version} is installed already")
        return before
    terms = f"{tool.label} comes under {tool.licence.name} ({tool.licence.url})"
    progress.note(terms)
    if tool.licence.must_accept and not accept_licence:
        with checking("accept_licence"):
            raise ConfigError(
                f"{terms}; a yes to these terms was expected; read them and pass --accept-licence"
            )
    _make_environment(tool, progress)
    return inspect_tool(tool)


def _make_environment(tool: Tool, progress: Progress) -> None:
    """Build a tool's environment beside its place and rename it there."""
    place = environment_of(tool)
    remove_leftovers(place)
    try:
        with replace_when_complete(place) as folder:
            progress.begin(f"making an environment for {tool.name}")
            venv.create(folder, with_pip=True, symlinks=os.name != "nt")
            progress.begin(f"installing {', '.join(tool.pins)}")
            rest = [pin for pin in tool.pins if pin not in tool.alone]
            for options, pins in ((["--no-deps"], tool.alone), ([], rest)):
                if pins:
                    _run_pip(tool, folder, ["install", *options, *pins])
            listed = _run_pip(tool, folder, ["list", "--format", "freeze"])
            write_atomically(folder / INSTALLED_FILE, listed)
    except OutputError as error:
        raise ToolError(
            tool.name,
            f"{place} cannot be written; a folder with free space was expected; name another with {FOLDER_VARIABLE}",
        ) from error
    except subprocess.CalledProcessError as error:  # of ensurepip
        said = last_line((error.output or b"").decode(errors="replace"))
        raise ToolError(
            tool.name,
            f"no environment could be made ({said}); Python's venv was expected; on Debian install python3-venv",
        ) from error


def _run_pip(tool: Tool, folder: Path, arguments: Sequence[str]) -> str:
    """Run an environment's pip with the user's configuration and return what it printed.

    Raises:
        ToolError: when it fails; the last line of what it said is told.
    """
    command = [str(_python_in(folder)), "-I", "-m", "pip", "--no-input", "-q"]
    command += ["--disable-pip-version-check", *arguments]
    advice = "every pinned package was expected; see what your package index has"
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LONGEST_INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            tool.name, f"its installation took more than {_LONGEST_INSTALL_S:g} s; {advice}"
        ) from error
    if done.returncode:
        said = last_line(done.stderr.decode(errors="replace"))
        raise ToolError(tool.name, f"pip could not install it ({said}); {advice}")
    return done.stdout.decode(errors="replace")


def _inspect_environment(tool: Tool) -> ToolStatus:
    """Return what is there of a tool with an environment of its own."""
    folder, get_it = environment_of(tool), f"get it with: edge-deeplab lab --install {tool.name}"
    if not folder.exists():
        return ToolStatus(tool, ToolState.MISSING, lack=f"{tool.name} is not installed; {get_it}")
    found = _packages_in(folder)
    version, python = found.get(_plain(tool.package)), _python_in(folder)
    absent = [pin for pin in tool.pins if _plain(pin.partition("==")[0]) not in found]
    if absent or not python.exists():
        what = f"{', '.join(absent)} is missing there" if absent else "its Python is gone"
        reason = (
            f"{folder} is broken: {what}; make it anew with: edge-deeplab lab --install {tool.name}"
        )
        return ToolStatus(tool, ToolState.BROKEN, version, reason)
    others = [
        f"{name} {found[_plain(name)]} in place of {wanted}"
        for name, _, wanted in (pin.partition("==") for pin in tool.pins)
        if found[_plain(name)].partition("+")[0] != wanted
    ]
    if others:
        reason = f"{tool.name} has {', '.join(others)}; {get_it}"
        return ToolStatus(tool, ToolState.OTHER_VERSION, version, reason)
    return ToolStatus(tool, ToolState.INSTALLED, version, None, python)


def _inspect_own(tool: Tool) -> ToolStatus:
    """Return what is there of a tool that this package's own environment has."""
    version = installed_version(tool.package)
    if version is None:
        reason = f"{tool.package} is not installed; get it with: pip install 'edge-deeplab[{tool.extra}]'"
        return ToolStatus(tool, ToolState.MISSING, lack=reason)
    return ToolStatus(tool, ToolState.INSTALLED, version, None, Path(sys.executable))


def _unsupported(tool: Tool) -> str | None:
    """Return why a tool does not run on this machine; None where it does."""
    here = f"{sys.platform}-{machine().lower()}"
    if os.name != "posix" or (tool.platforms and here not in tool.platforms):
        wanted = ", ".join(tool.platforms) or "Linux or macOS"
        return f"{tool.label} does not run on {here}; {wanted} was expected; use such a machine"
    library, version = libc_ver()
    if tool.glibc and library == "glibc" and _numbers(version) < tool.glibc:
        wanted = ".".join(map(str, tool.glibc))
        return f"{tool.label} does not run with glibc {version}; {wanted} was expected; use a newer system"
    if tool.python_below and sys.version_info >= tool.python_below:
        wanted = ".".join(map(str, tool.python_below))
        return f"{tool.label} has no packages for this Python; one below {wanted} was expected; use such a one"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _python_in(folder: Path) -> Path:
    return folder / "bin" / "python"


def _packages_in(folder: Path) -> dict[str, str]:
    """Return the version of every package of an environment, by its plain name."""
    packages = folder.glob("lib/python*/site-packages/*.dist-info/METADATA")
    named = (place.parent.stem.partition("-") for place in packages)  # NAME-VERSION.dist-info
    return {_plain(name): version for name, _, version in named}


def _plain(name: str) -> str:
    """Return a package's name as registries compare it."""
    return name.lower().replace("_", "-").replace(".", "-")
