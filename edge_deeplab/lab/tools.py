"""The one table of vendors' tools: what each is, which packages make it, where it runs and under which licence.

Adding a tool is a row here and a script in `workers/`; `devices.py` says which devices it knows. Nothing of a vendor's
comes with this package: a tool is installed by the user, in an environment of its own (`environments.py`), because the
pins of different tools contradict each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.errors import unknown_choice

WORKERS = Path(__file__).with_name("workers")


@dataclass(frozen=True)
class Licence:
    """The terms of a tool.

    Args:
        name: in short.
        url: where they stand.
        must_accept: whether they bind whoever only uses it, so that a yes is asked for.
    """

    name: str
    url: str
    must_accept: bool = False


@dataclass(frozen=True)
class Tool:
    """A vendor's compiler, simulator or accelerator.

    Args:
        name: as `lab --install` takes it.
        label: its name for people.
        package: the distribution whose version is the tool's.
        licence: its terms.
        worker: the script in `workers/` that speaks for it.
        pins: "name==version" of what is installed; empty for a tool that this package's own environment has.
        alone: those of the pins that are installed without what they ask for.
        extra: of this package, which brings a tool without pins.
        platforms: "system-machine" on which it runs, as "linux-x86_64"; empty where it runs everywhere.
        glibc: lowest version of it; None for any.
        python_below: first Python that it has no packages for; None where there is none.
        needs_vulkan: whether it needs a Vulkan driver.
    """

    name: str
    label: str
    package: str
    licence: Licence
    worker: str
    pins: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    extra: str | None = None
    platforms: tuple[str, ...] = ()
    glibc: tuple[int, int] | None = None
    python_below: tuple[int, int] | None = None
    needs_vulkan: bool = False

    @property
    def script(self) -> Path:
        """The worker's path."""
        return WORKERS / self.worker


_LINUX = ("linux-x86_64",)

# fmt: off
TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "vela", "Arm Vela", "ethos-u-vela",
            Licence("Apache-2.0", "https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela"),
            "vela.py", ("ethos-u-vela==5.2.0",),
        ),
        Tool(
            "openvino", "OpenVINO", "openvino",
            Licence("Apache-2.0", "https://github.com/openvinotoolkit/openvino/blob/master/LICENSE"),
            "openvino.py", ("openvino==2026.4.1",), platforms=(*_LINUX, "linux-aarch64", "darwin-arm64"),
        ),
        Tool(
            "litert-gpu", "LiteRT GPU", "ai-edge-litert",
            Licence("Apache-2.0", "https://github.com/google-ai-edge/LiteRT/blob/main/LICENSE"),
            "litert_gpu.py", extra="tflite", platforms=(*_LINUX, "linux-aarch64"), needs_vulkan=True,
        ),
        Tool(
            "qnn", "Qualcomm QNN", "onnxruntime-qnn",
            Licence(
                "MIT for the wrapper, Qualcomm's own terms for the libraries: to develop your own applications only",
                "https://www.qualcomm.com/site/terms-of-use", must_accept=True,
            ),
            "qnn.py", ("onnxruntime-qnn==2.7.0", "onnxruntime==1.32.0", "onnx==1.23.2"),
            platforms=_LINUX, glibc=(2, 35),
        ),
        Tool(
            "ort-webgpu", "ONNX Runtime WebGPU", "onnxruntime-ep-webgpu",
            Licence("MIT", "https://github.com/microsoft/onnxruntime/blob/main/LICENSE"),
            "ort_webgpu.py", ("onnxruntime-ep-webgpu==0.4.0", "onnxruntime==1.32.0", "onnx==1.23.2"),
            platforms=_LINUX, needs_vulkan=True,
        ),
        Tool(
            "rknn", "Rockchip RKNN", "rknn-toolkit2",
            Licence(
                "Rockchip's own terms", "https://github.com/airockchip/rknn-toolkit2/blob/master/LICENSE",
                must_accept=True,
            ),
            "rknn.py",
            (
                "rknn-toolkit2==2.5.0", "setuptools==79.0.1", "protobuf==4.25.4", "onnx==1.18.0", "numpy==1.26.4",
                "onnxruntime==1.22.1", "psutil==7.1.3", "ruamel.yaml==0.18.16", "scipy==1.14.1", "tqdm==4.67.1",
                "opencv-python-headless==4.10.0.84", "fast-histogram==0.14", "torch==2.13.0", "pillow==12.0.0",
            ),
            alone=("rknn-toolkit2==2.5.0",), platforms=_LINUX, python_below=(3, 13),
        ),
    )
}
# fmt: on


def find_tool(name: str) -> Tool:
    """Return a tool by name.

    Raises:
        ConfigError: for an unknown one; the choices are listed.
    """
    if name not in TOOLS:
        raise unknown_choice("tool", name, tuple(TOOLS))
    return TOOLS[name]
