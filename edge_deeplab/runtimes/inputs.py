"""From a picture to a file's input tensor.

The idea to hold: shape and type are all that another project's file tells of its input, so they are read strictly. What
they do not tell (the normalisation of a float input) is asked for, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ArtifactError

Tensor = npt.NDArray[Any]
DEFAULT_SIDE = 512
"""Height and width for a file that takes any size."""
LARGEST_PICTURE = 1 << 23
"""Pixels of a picture that a file may ask for: 2048x4096. A number changed in a file would otherwise take gigabytes."""
_DTYPES = ("uint8", "int8", "float16", "float32")


@dataclass(frozen=True)
class AffineQuantization:
    """Affine quantization of a whole tensor: value = scale * (stored - zero_point)."""

    scale: float
    zero_point: int

    def dequantize(self, stored: Tensor) -> npt.NDArray[np.float32]:
        """Return the values that stored integers mean."""
        shifted = stored.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(shifted * np.float32(self.scale), np.float32)

    def quantize(self, values: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> Tensor:
        """Return the nearest integers of `dtype`, saturated."""
        limits = np.iinfo(dtype)
        stored = np.rint(values / np.float32(self.scale)) + self.zero_point
        return np.asarray(np.clip(stored, limits.min, limits.max), dtype)


@dataclass(frozen=True)
class ImageTensor:
    """The input of a file that takes one RGB picture.

    Args:
        name: the tensor's name.
        shape: (1, H, W, 3) or (1, 3, H, W).
        dtype: uint8, int8, float16 or float32.
        quantization: of an integer input, where the file says it.
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    quantization: AffineQuantization | None = None

    @property
    def channels_last(self) -> bool:
        """Whether the layout is (1, H, W, 3)."""
        return self.shape[3] == 3

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        first = 1 if self.channels_last else 2
        return self.shape[first], self.shape[first + 1]

    def resized(self, size_hw: tuple[int, int]) -> "ImageTensor":
        """Return the input of the same file that takes pictures of another height and width."""
        sides = (*size_hw, 3) if self.channels_last else (3, *size_hw)
        return replace(self, shape=(1, *sides))

    def takes_pixels(self) -> bool:
        """Whether 0..255 pixels go in as they are: the meaning of uint8 in every project's files."""
        return self.dtype == np.uint8

    def encode(
        self, image_hwc: npt.NDArray[np.uint8], normalisation: Normalisation | None
    ) -> Tensor:
        """Return a picture as this tensor.

        Args:
            image_hwc: (H, W, 3) uint8 RGB of `size_hw`.
            normalisation: applied to the pixels first; None where the graph takes 0..255. A uint8 input takes pixels
                as they are, whatever stands here.
        """
        values = self._values(image_hwc, normalisation)
        planes = values if self.channels_last else values.transpose(2, 0, 1)
        return np.ascontiguousarray(planes[None])

    def _values(
        self, image_hwc: npt.NDArray[np.uint8], normalisation: Normalisation | None
    ) -> Tensor:
        if self.takes_pixels():
            return image_hwc
        values = image_hwc.astype(np.float32)
        if normalisation is not None:
            mean, std = np.array([normalisation.mean, normalisation.std], np.float32)
            values = (values - mean) / std
        if self.dtype.kind == "f":
            return values.astype(self.dtype, copy=False)
        return (self.quantization or AffineQuantization(1.0, 0)).quantize(values, self.dtype)


def image_tensor(
    name: str,
    shape: Sequence[int | str | None],
    dtype: str,
    quantization: AffineQuantization | None = None,
    *,
    path: str,
) -> ImageTensor:
    """Return the image input that a tensor is; a free batch becomes 1, a free height or width `DEFAULT_SIDE`.

    Args:
        name: the tensor's name.
        shape: its dimensions; a free one is a name, None or not positive.
        dtype: numpy's name of its type.
        quantization: of an integer input, where known.
        path: the file, for the error message.

    Raises:
        ArtifactError: when it is no RGB picture.
    """
    sides = [d if isinstance(d, int) and d > 0 else None for d in shape]
    is_picture = len(sides) == 4 and sides[0] in (1, None) and 3 in (sides[1], sides[3])
    if len(sides) == 4 and not is_picture:
        _refuse_other_channels(name, shape, path)
    if not is_picture or dtype not in _DTYPES:
        raise ArtifactError(
            f"{path} takes {name!r}, {dtype} of shape ({', '.join(map(str, shape))}); one RGB picture was expected, "
            f"(1, H, W, 3) or (1, 3, H, W) of {', '.join(_DTYPES)}; export the file with such an input"
        )
    _, *rest = (side or DEFAULT_SIDE for side in sides)
    image = ImageTensor(name, (1, rest[0], rest[1], rest[2]), np.dtype(dtype), quantization)
    height, width = image.size_hw
    if height * width > LARGEST_PICTURE:
        raise ArtifactError(
            f"{path} takes a picture of {height}x{width}; at most {LARGEST_PICTURE} pixels were expected; "
            "export it for smaller pictures"
        )
    return image


def _refuse_other_channels(name: str, shape: Sequence[int | str | None], path: str) -> None:
    """Refuse a grey picture and one of four channels by name.

    Raises:
        ArtifactError: when it is one.
    """
    kinds = {1: "a grey picture, of one channel", 4: "a picture of four channels"}
    last, first = shape[3], shape[1]
    found = next((kinds[side] for side in (last, first) if side in (1, 4)), None)
    if found is not None:
        raise ArtifactError(
            f"{path} takes {name!r} of shape ({', '.join(map(str, shape))}), {found}; an RGB picture of three was "
            "expected, and none is turned into another; export the network with a first operator that makes its "
            "channels of RGB"
        )


def only_input(names: Sequence[str], *, path: str) -> str:
    """Return the name of a file's one input.

    Raises:
        ArtifactError: when there are several, or none.
    """
    if len(names) != 1:
        raise ArtifactError(
            f"{path} takes {len(names)} inputs ({', '.join(names)}); one RGB picture was expected; "
            "export it with one input, the others as constants"
        )
    return names[0]
