"""The one table of devices whose vendors' tools can be asked: by profile, the tool and what it calls the device."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_deeplab.errors import unknown_choice


@dataclass(frozen=True)
class Device:
    """A device of the lab.

    Args:
        tool: a key of `TOOLS`; the profile names it (`observed_by`).
        argument: what the tool's worker calls the device.
        executes: whether the tool also runs files, on a simulator or an accelerator of this machine.
        decides: whether what the tool says holds for the profile's device wherever it is asked, as a compiler's word
            does; what this machine's processor does is only told beside the prediction.
    """

    tool: str
    argument: str
    executes: bool = False
    decides: bool = True


DEVICES: Mapping[str, Device] = {
    "ethos-u55-128": Device("vela", "ethos-u55-128"),
    "ethos-u55-256": Device("vela", "ethos-u55-256"),
    "ethos-u65-256": Device("vela", "ethos-u65-256"),
    "ethos-u65-512": Device("vela", "ethos-u65-512"),
    "ethos-u85-256": Device("vela", "ethos-u85-256"),
    "ethos-u85-512": Device("vela", "ethos-u85-512"),
    "litert-gpu": Device("litert-gpu", "gpu", executes=True),
    "openvino-cpu": Device("openvino", "CPU", executes=True, decides=False),
    "openvino-cpu-tflite": Device("openvino", "CPU", executes=True, decides=False),
}
"""By the name of the profile that holds the rules about it."""


def find_device(name: str) -> Device:
    """Return a device by its profile's name.

    Raises:
        ConfigError: for one that no tool knows; the choices are listed.
    """
    if name not in DEVICES:
        raise unknown_choice("device", name, tuple(DEVICES))
    return DEVICES[name]
