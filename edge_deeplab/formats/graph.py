"""The format-neutral record of an exported file: what all readers give and all rules read.

The idea to hold: an `Operator` keeps what its format says (type, version, attributes) beside what a convolution *is*
in any format (`Convolution`), so that one rule about dilated depthwise convolutions serves TFLite, ONNX and Core ML.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from edge_deeplab.targets import TargetName

Shape = tuple[int | None, ...]
"""Sizes by axis; None where the file leaves one open."""

Attribute = int | float | bool | str | tuple[int | float | bool | str, ...]


@dataclass(frozen=True, slots=True)
class TensorQuantization:
    """How a tensor's integers stand for numbers: (integer - zero point) * scale.

    Args:
        scales: the smallest and the largest scale.
        zero_points: the smallest and the largest zero point.
        channels: number of scales; 1 where the whole tensor has one.
        axis: axis along which they change.
    """

    scales: tuple[float, float]
    zero_points: tuple[int, int]
    channels: int = 1
    axis: int = 0


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A value between operators, as the file declares it.

    Args:
        name: its name in the file.
        dtype: NumPy's name of the element type ("float32", "int8", "uint8"), lower case, or None where it is not
            declared.
        shape: sizes in the file's own layout, or None where not declared.
        constant: the value stands in the file, possibly behind a dequantize. Then type and shape are those that are
            stored.
        dequantized_from: element type of what a dequantize computed it from, or None.
        cast_to: element type that a Cast makes of it, where that is all that reads it, else None (ONNX).
        quantization: scales and zero points, where the format keeps them with the tensor (TFLite).
        values: a constant's numbers, where they are few.
        read_as: element type in which operators read a constant that stands behind a dequantize, else None.
        readers: number of operators that read it (ONNX); None where that was not counted.
        apart: a constant's bytes stand behind the flatbuffer (TFLite).
    """

    name: str
    dtype: str | None = None
    shape: Shape | None = None
    constant: bool = False
    dequantized_from: str | None = None
    cast_to: str | None = None
    quantization: TensorQuantization | None = None
    values: tuple[int | float, ...] | None = None
    read_as: str | None = None
    readers: int | None = None
    apart: bool = False


def first_shape(specs: Sequence[TensorSpec | None]) -> Shape | None:
    """Return the shape of the first of some values; None where it is not known, or there is none."""
    return specs[0].shape if specs and specs[0] else None


@dataclass(frozen=True, slots=True)
class Convolution:
    """What a convolution is, whatever its format calls it.

    Args:
        kernel_hw: taps by height and width.
        rate_hw: atrous rate (dilation).
        stride_hw: strides.
        channels: input channels.
        groups: channel groups; equal to `channels` for a depthwise convolution.
        multiplier: output channels of each group.
        padding: (top, left, bottom, right) in pixels; None where the file only says "same" or "valid".
        form: "native", or "space-to-batch" where the rate is made by SPACE_TO_BATCH_ND before it.
    """

    kernel_hw: tuple[int, int]
    rate_hw: tuple[int, int]
    stride_hw: tuple[int, int]
    channels: int
    groups: int
    multiplier: int
    padding: tuple[int, int, int, int] | None = None
    form: str = "native"

    @property
    def depthwise(self) -> bool:
        """Whether every input channel is convolved alone."""
        return self.groups == self.channels and self.groups > 1

    @property
    def dilated(self) -> bool:
        """Whether the rate is above 1 in either direction."""
        return max(self.rate_hw) > 1


def height_and_width(setting: Attribute | None) -> tuple[int, int]:
    """Return the two numbers of a convolution's rates or strides; 1 and 1 where the file leaves them out."""
    if isinstance(setting, tuple) and len(setting) == 2:
        return int(setting[0]), int(setting[1])
    return 1, 1


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the graph.

    Args:
        index: its place in the file's order, from 0; nested graphs count on.
        type: the format's own name, for example "DEPTHWISE_CONV_2D", "Conv", "upsample_bilinear".
        name: its name in the file, or that of its first output; never empty.
        version: opcode version (TFLite), opset that last changed it (ONNX) or program opset (MIL); None when not known.
        inputs: its inputs in the format's order; None for an optional one that is absent.
        outputs: its outputs.
        attributes: settings, short ones only; keys as in the format.
        module: dotted path of the layer it came from, or None where the file does not tell.
        convolution: set for convolutions whose weight has a known shape.
        domain: operator set other than the format's own ("com.microsoft"; "custom" in TFLite; "local" for a function
            that the ONNX file itself defines), else "".
        reads: keys of the values it reads, one for each input; "" for an absent one. Each value of a file has one key.
        writes: keys of the values it computes, one for each output.
        nested: whether it stands in a branch or loop body of another operator (ONNX).
    """

    index: int
    type: str
    name: str
    version: int | None
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec, ...]
    attributes: Mapping[str, Attribute]
    module: str | None = None
    convolution: Convolution | None = None
    domain: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    nested: bool = False

    @property
    def dilated_depthwise(self) -> Convolution | None:
        """The convolution where it is both dilated and depthwise, else None."""
        convolution = self.convolution
        return (
            convolution if convolution and convolution.dilated and convolution.depthwise else None
        )


@dataclass(frozen=True, eq=False)
class FileGraph:
    """What one file holds; one equals itself alone, as each was read once.

    Args:
        path: the file.
        format: a key of `TARGETS`.
        versions: of the format and its operator sets, for example {"schema": 3} or {"opset": 18, "ir": 10}.
        operators: in the file's order, constants left out.
        notes: what of the file the list does not show, one sentence each.
        size_hw: height and width that shapes are told at, of a file that takes several sizes.
    """

    path: Path
    format: TargetName
    versions: Mapping[str, int]
    operators: tuple[Operator, ...]
    notes: tuple[str, ...] = ()
    size_hw: tuple[int, int] | None = None

    @property
    def dilated_depthwise(self) -> list[Operator]:
        """The dilated depthwise convolutions, in the file's order."""
        return [operator for operator in self.operators if operator.dilated_depthwise]

    def count_types(self) -> list[tuple[str, int | None, int]]:
        """Return (type, version, count), the most frequent first."""
        counts = Counter((operator.type, operator.version) for operator in self.operators)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or 0))
        return [(kind, version, count) for (kind, version), count in ordered]


def check_wiring(operators: Sequence[Operator]) -> None:
    """Refuse a graph that a walk along its values could follow without end, or again and again.

    Raises:
        ValueError: when two operators compute one value, or some need each other's results.
    """
    producers: dict[str, int] = {}
    for place, operator in enumerate(operators):
        for key in filter(None, operator.writes):
            if key in producers:
                raise ValueError("several of its operators compute one and the same value")
            producers[key] = place
    needs = (
        {producers[key] for key in operator.reads if key in producers} for operator in operators
    )
    try:
        TopologicalSorter(dict(enumerate(needs))).prepare()
    except CycleError as error:
        raise ValueError("some of its operators need each other's results") from error
