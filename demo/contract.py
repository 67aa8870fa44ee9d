"""What an app must know of an exported file: tensors, classes, and what is left for it to do, read off the file itself.

`contract_folder.py` writes it: as JSON, as code (`contract_code.py`), with frames to check either with (`golden.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edge_deeplab.demo.pipeline import require_description
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor
from edge_deeplab.runtimes.outputs import Layout, layout_of

FORMAT = "edge-deeplab-contract/1"
INPUT_TYPES = ("uint8", "int8", "float32")
ID_TYPES = ("uint8", "int32", "int64")
SCORE_TYPES = ("int8", "float32")


@dataclass(frozen=True)
class InputContract:
    """The input tensor: RGB pixels, 0 to 255.

    Args:
        name: the tensor's.
        type: uint8, int8 or float32.
        shape: of the tensor.
        layout: NHWC or NCHW.
        scale: of an int8 tensor: value = scale * (stored - zero_point); None of others, which hold the pixels.
        zero_point: of an int8 tensor.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    layout: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class OutputContract:
    """The output tensor, the file's first.

    Args:
        type: of its elements.
        shape: of the tensor.
        layout: HW of class ids, CHW or HWC of scores.
        size_hw: rows and columns of the map.
        channels: of scores; None of class ids.
    """

    type: str
    shape: tuple[int, ...]
    layout: Layout
    size_hw: tuple[int, int]
    channels: int | None


@dataclass(frozen=True)
class Contract:
    """What an app must know of a file.

    Args:
        model: the file's name.
        model_sha256: its hash; of a package's folder `formats.manifest.content_sha256`.
        target: the format.
        precision: of the network.
        size_hw: height and width of the pictures that it takes and of its class maps, in pixels.
        input: the input tensor.
        output: the output tensor.
        classes: names and colours in id order.
        licence: of the weights.
    """

    model: str
    model_sha256: str
    target: str
    precision: str
    size_hw: tuple[int, int]
    input: InputContract
    output: OutputContract
    classes: tuple[ClassInfo, ...]
    licence: str

    def to_json(self) -> dict[str, Any]:
        """Return `contract.json`; `host` says what the app does around the file."""
        host = {
            "resize": "bilinear, the whole picture to size_hw",
            "normalise": False,
            "quantize": self.input.type == "int8",
            "argmax": self.output.channels is not None,
            "enlarge": self.output.size_hw != self.size_hw,
        }
        return {"format": FORMAT, **asdict(self), "host": host}


def read_contract(runtime: Runtime) -> Contract:
    """Return what an app must know of a file; it is run once, on a black picture, to see its output.

    Raises:
        ArtifactError: when it does not describe itself, is a checkpoint, or has tensors that no code is for.
    """
    description = require_description(runtime)
    if not isinstance(runtime, ArtifactRuntime):
        raise ArtifactError(
            f"{runtime.path} is a checkpoint, which no app runs; an exported file was expected; export it first"
        )
    tensor = runtime.execute(np.zeros((*runtime.size_hw, 3), np.uint8))
    return Contract(
        model=runtime.path.name,
        model_sha256=content_sha256(runtime.path),
        target=str(description.target),
        precision=description.precision,
        size_hw=runtime.size_hw,
        input=_input_of(runtime.image, str(runtime.path)),
        output=_output_of(tensor, runtime.image, len(description.classes), str(runtime.path)),
        classes=description.classes,
        licence=description.licence,
    )


def _input_of(image: ImageTensor, path: str) -> InputContract:
    kind = str(image.dtype)
    _check_type(path, "takes", kind, INPUT_TYPES)
    scale = zero_point = None
    if kind == "int8":
        told = image.quantization
        scale = 1.0 if told is None else float(np.float32(told.scale))
        zero_point = 0 if told is None else told.zero_point
    layout = "NHWC" if image.channels_last else "NCHW"
    return InputContract(image.name, kind, image.shape, layout, scale, zero_point)


def _output_of(tensor: Tensor, image: ImageTensor, classes: int, path: str) -> OutputContract:
    kind = str(tensor.dtype)
    layout = layout_of(tensor, image, classes)
    if layout == "HW":
        _check_type(path, "gives class ids of", kind, ID_TYPES)
    else:
        _check_type(path, "gives scores of", kind, SCORE_TYPES)
    shape = tensor.shape
    if layout == "CHW":
        return OutputContract(kind, shape, layout, (shape[-2], shape[-1]), shape[-3])
    if layout == "HWC":
        return OutputContract(kind, shape, layout, (shape[-3], shape[-2]), shape[-1])
    ids = shape[:-1] if len(shape) == 4 and shape[-1] == 1 else shape
    return OutputContract(kind, shape, layout, (ids[-2], ids[-1]), None)


def _check_type(path: str, does: str, kind: str, known: Sequence[str]) -> None:
    if kind not in known:
        raise ArtifactError(
            f"{path} {does} {kind}, which a contract has no code for; one of {', '.join(known)} was expected; "
            "export it again"
        )
