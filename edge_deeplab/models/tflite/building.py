"""An operator graph under construction while a file's operators go by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.description import LARGEST_SIDE, Normalisation
from edge_deeplab.formats.graph import Operator, TensorSpec
from edge_deeplab.models.operator_graph import GraphOperator
from edge_deeplab.models.padded_convolution import Edges
from edge_deeplab.models.quantization import IMAGE
from edge_deeplab.models.tflite.constants import Constants, Range, range_of

Size = tuple[int, int]
Three = npt.NDArray[np.float64]
_SAME = 1e-6


class NoPlaceError(Exception):
    """Something that a file does and an operator graph, which follows the picture's size, cannot."""


@dataclass(frozen=True)
class Pixels:
    """What the pixels are on their way to the first convolution: gain times pixel plus shift, for each of R, G, B.

    Args:
        gain: (3,).
        shift: (3,).
    """

    gain: Three
    shift: Three

    def normalisation(self) -> Normalisation:
        """Return the same as mean and deviation."""
        finite = np.isfinite([*self.gain, *self.shift]).all()
        if not finite or not (self.gain > 0).all():
            raise NoPlaceError("its pixels are multiplied by numbers that are not positive")
        mean, std = (-self.shift / self.gain).tolist(), (1 / self.gain).tolist()
        return Normalisation(tuple(mean), tuple(std))


class GraphBuilder:
    """The operators, tensors and ranges found so far.

    Args:
        constants: of the file.
        given: what pixels of a float or int8 input are normalised with, if the user says.

    Attributes:
        constants: as given.
        operators: in the file's order.
        tensors: weights and biases by the name of their operator.
        ranges: smallest and largest value in the file, by operator.
        size_hw: height and width of the picture.
        scores: name of the value that the class map is taken from, once that is met.
    """

    def __init__(self, constants: Constants, given: Normalisation | None) -> None:
        self.constants = constants
        self.operators: list[GraphOperator] = []
        self.tensors: dict[str, Mapping[str, torch.Tensor]] = {}
        self.ranges: dict[str, Range] = {}
        self.scores: str | None = None
        self.size_hw: Size = (0, 0)
        self._given = given
        self._names: dict[str, str] = {}
        self._sizes: dict[str, Size] = {}
        self._pixels: dict[str, Pixels] = {}
        self._read_pixels: Pixels | None = None
        self._pads: dict[str, tuple[str, Edges]] = {}

    def emit(self, operator: Operator, kind: str, inputs: tuple[str, ...], **settings: Any) -> str:
        """Add what computes an operator's result, or a step towards it, and return its name."""
        name = f"{kind}_{operator.index}"
        self.operators.append(GraphOperator(name, kind, inputs, settings))
        self._sizes[name] = size_of(operator.outputs[0])
        self._names[operator.writes[0]] = name
        if told := range_of(operator.outputs[0]):
            self.ranges[name] = told
        return name

    def enlarge(self, scores: str) -> str:
        """Add a resize of scores to the picture's size, which whoever runs the file does, and return its name."""
        last = int(self.operators[-1].name.rpartition("_")[2])
        name, settings = f"resize_{last + 1}", {"align_corners": False}
        self.operators.append(GraphOperator(name, "resize", (scores, IMAGE), settings))
        self._sizes[name] = self.size_hw
        return name

    def rename(self, name: str, new: str) -> None:
        """Give an operator another name, wherever it stands."""
        self.operators = [
            replace(
                operator,
                name=new if operator.name == name else operator.name,
                inputs=tuple(new if source == name else source for source in operator.inputs),
            )
            for operator in self.operators
        ]
        tables: tuple[dict[str, Any], ...] = (self.tensors, self.ranges, self._sizes)
        for table in tables:
            if name in table:
                table[new] = table.pop(name)

    def pass_on(self, operator: Operator) -> None:
        """Note that an operator's result is its first input: it moves numbers, or rounds them."""
        result = operator.writes[0]
        if (pixels := self.pixels(operator)) is not None:
            self._pixels[result] = pixels
        else:
            self._names[result] = self.value(operator)

    def pixels(self, operator: Operator, position: int = 0) -> Pixels | None:
        """Return what an operator's input makes of the pixels, if it is still the picture."""
        key, spec = operator.reads[position], operator.inputs[position]
        if key in self._pixels:
            return self._pixels[key]
        if key in self._names or spec is None or self.constants.holds(key):
            return None
        if self._pixels:
            raise NoPlaceError("it has several inputs")
        self._sizes[IMAGE] = self.size_hw = size_of(spec)
        self._pixels[key] = self._first_pixels(spec)
        return self._pixels[key]

    def set_pixels(self, operator: Operator, pixels: Pixels) -> None:
        """Note what an operator makes of the pixels."""
        self._pixels[operator.writes[0]] = pixels

    def pad(self, operator: Operator, edges: Edges) -> None:
        """Add zeros around a value; a convolution that reads them takes them in."""
        source = self.value(operator)
        self.emit(operator, "pad", (source,), edges=edges)
        self._pads[operator.writes[0]] = source, edges

    def padded(self, operator: Operator) -> tuple[str, Edges]:
        """Return the value that an operator reads, and the zeros that stand around it."""
        key = operator.reads[0]
        return self._pads[key] if key in self._pads else (self.value(operator), (0, 0, 0, 0))

    def value(self, operator: Operator, position: int = 0) -> str:
        """Return the name of the value that an operator reads.

        Raises:
            NoPlaceError: when it is a constant, or the picture under a second normalisation.
        """
        key = operator.reads[position]
        if key in self._names:
            return self._names[key]
        pixels = self.pixels(operator, position)
        if pixels is None:
            raise NoPlaceError(f"{operator.type} ({operator.name}) reads a constant")
        self._take_pixels(pixels)
        return IMAGE

    def name_of(self, key: str) -> str | None:
        """Return the name of the value under a key of the file; None where no operator here computes it."""
        return self._names.get(key)

    def size(self, name: str) -> Size:
        """Return the height and width of a value in the file."""
        return self._sizes[name]

    def first_of_size(self, size_hw: Size) -> str | None:
        """Return the latest value of a size that no resize made, the picture before all."""
        if size_hw == self.size_hw:
            return IMAGE
        found = [
            o.name for o in self.operators if o.kind != "resize" and self._sizes[o.name] == size_hw
        ]
        return found[-1] if found else None

    def normalisation(self) -> Normalisation:
        """Return what the network's pixels are normalised with."""
        if self._read_pixels is None:
            raise NoPlaceError("nothing reads its picture")
        return self._read_pixels.normalisation()

    def _first_pixels(self, spec: TensorSpec) -> Pixels:
        """Return what the file's input is of the pixels."""
        if spec.shape is None or len(spec.shape) != 4 or spec.shape[3] != 3:
            raise NoPlaceError(f"its input is {spec.shape}, not (1, H, W, 3)")
        told = spec.quantization
        if spec.dtype == "uint8":
            scale, zero_point = (1.0, 0) if told is None else (told.scales[0], told.zero_points[0])
            return Pixels(np.full(3, scale), np.full(3, -zero_point * scale))
        if self._given is None:
            raise NoPlaceError(
                f"its input is {spec.dtype}, and what pixels are normalised with is not known, which can be said"
            )
        mean, std = np.array(self._given.mean), np.array(self._given.std)
        return Pixels(1 / std, -mean / std)

    def _take_pixels(self, pixels: Pixels) -> None:
        own = self._read_pixels
        if own is not None and not all(
            np.allclose(a, b, rtol=_SAME, atol=_SAME)
            for a, b in ((own.gain, pixels.gain), (own.shift, pixels.shift))
        ):
            raise NoPlaceError("its picture is read under two normalisations")
        self._read_pixels = pixels


def size_of(spec: TensorSpec) -> Size:
    """Return the height and width of a (1, H, W, C) value.

    Raises:
        NoPlaceError: when it has no such shape.
    """
    shape = spec.shape or ()
    if len(shape) == 2:  # a pooled pixel without its axes
        return 1, 1
    if len(shape) != 4 or any(side is None or not 1 <= side <= LARGEST_SIDE for side in shape):
        raise NoPlaceError(f"{spec.name} is {spec.shape}, not (1, H, W, channels)")
    return int(shape[1] or 0), int(shape[2] or 0)
