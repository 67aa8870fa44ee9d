"""Whether an installed tool works: its own version, and the bundled tiny file compiled for one of its devices."""

from dataclasses import asdict, dataclass
from typing import Any

from edge_deeplab.checker.rules import load_profile
from edge_deeplab.errors import ToolError
from edge_deeplab.lab.asking import ask_tool, bounds
from edge_deeplab.lab.devices import DEVICES
from edge_deeplab.lab.environments import ToolStatus
from edge_deeplab.lab.trial import TRIAL_FILES


@dataclass(frozen=True)
class ToolTrial:
    """What came of trying a tool.

    Args:
        tool: its name.
        device: for which it compiled; None where it knows none of the bundled file's format.
        error: why it does not work; None where it does.
    """

    tool: str
    device: str | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def try_tool(status: ToolStatus) -> ToolTrial:
    """Ask a tool for its version and let it compile; nothing that is kept is believed.

    Args:
        status: of the tool.
    """
    name = status.tool.name
    device = next((profile for profile, d in DEVICES.items() if d.tool == name), None)
    try:
        version = ask_tool(status, "version", bounds()).get("version")
        if version != status.version:
            raise ToolError(
                name,
                f"it says that it is {version!r:.40}; {status.version} was expected; make it anew",
            )
        if device is not None:
            path = TRIAL_FILES[load_profile(device).format]
            answer = ask_tool(
                status, "compile", bounds(), path=str(path), device=DEVICES[device].argument
            )
            if answer.get("refused"):
                raise ToolError(name, f"it refuses the tiny file ({answer['refused']!r:.200})")
    except ToolError as error:
        return ToolTrial(name, device, str(error))
    return ToolTrial(name, device, None)
