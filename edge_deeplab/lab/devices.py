"""The one table of devices that can be asked: by profile, the tool or observer and what it calls the device."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_deeplab.errors import unknown_choice


@dataclass(frozen=True)
class Device:
    """A device of the lab.

    Args:
        tool: a key of `TOOLS`, or of the observers beside them that this package's own environment has; the profile
            names it (`observed_by`).
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
    "executorch-xnnpack": Device("executorch", "cpu", decides=False),
    "coreai": Device("coreai", "cpu", decides=False),
    "litert-gpu": Device("litert-gpu", "gpu", executes=True),
    "openvino-cpu": Device("openvino", "CPU", executes=True, decides=False),
    "openvino-cpu-tflite": Device("openvino", "CPU", executes=True, decides=False),
    "onnx-qnn-v68": Device("qnn", "v68", executes=True),
    "onnx-qnn-v69": Device("qnn", "v69", executes=True),
    "onnx-qnn-v73": Device("qnn", "v73", executes=True),
    "onnx-qnn-v75": Device("qnn", "v75", executes=True),
    "onnx-qnn-v79": Device("qnn", "v79", executes=True),
    "onnx-qnn-v81": Device("qnn", "v81", executes=True),
    "onnx-webgpu": Device("ort-webgpu", "webgpu", executes=True),
    "rknn-rk3566": Device("rknn", "rk3566", executes=True),
    "rknn-rk3568": Device("rknn", "rk3568", executes=True),
    "rknn-rk3576": Device("rknn", "rk3576", executes=True),
    "rknn-rk3588": Device("rknn", "rk3588", executes=True),
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
