"""Parity on a device of the lab: files are run by its simulator or accelerator in place of their own runtime."""

from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.checker.rules import load_profile
from edge_deeplab.errors import ArtifactError, ConfigError, ToolError, checking
from edge_deeplab.evaluation.parity import ParityRequest
from edge_deeplab.lab.devices import DEVICES, find_device
from edge_deeplab.lab.environments import inspect_tool
from edge_deeplab.lab.runtime import ToolRuntime
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.targets import TARGETS, target_of


@dataclass(frozen=True, kw_only=True)
class DeviceParityRequest(ParityRequest):
    """Which files are held against what, run by a device.

    Args:
        on: the device, by its profile's name.

    Raises:
        ConfigError: for a device that no tool knows or that executes nothing, or with what a file's own runtime alone
            can do.
        ToolError: when its tool cannot be used.
    """

    on: str

    def __post_init__(self) -> None:
        super().__post_init__()
        with checking("on"):
            self._check_device()
        own = {"runtime": self.runtime, "explain": self.explain, "plot": self.plot}
        for name in (name for name, value in own.items() if value):
            raise ConfigError(
                f"{name}, which is about files in their own runtime, came with on {self.on}; "
                "one of the two was expected; leave the other out"
            )
        status = inspect_tool(TOOLS[find_device(self.on).tool])
        if status.lack is not None:
            raise ToolError(status.tool.name, status.lack)

    def open_file(self, path: Path, size_hw: tuple[int, int] | None = None) -> Runtime:
        """Open an exported file for the device; errors as for `open_artifact` and `ToolRuntime`."""
        wanted = load_profile(self.on).format
        if target_of(path) != wanted:
            raise ArtifactError(
                f"{path} was to be run on {self.on}, which takes {TARGETS[wanted].ending} files; "
                "one of those was expected; name one, or another device"
            )
        own = super().open_file(path, size_hw)
        assert isinstance(own, ArtifactRuntime), "an exported file was opened"
        return ToolRuntime(own, find_device(self.on))

    def _check_device(self) -> None:
        if not find_device(self.on).executes:
            executing = [name for name, device in DEVICES.items() if device.executes]
            raise ConfigError(
                f"device {self.on} came, for which its tool compiles files and does not run them; "
                f"one that does was expected; choose one of: {', '.join(executing)}"
            )
