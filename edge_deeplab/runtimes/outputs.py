"""From a file's output tensor to a class map or to scores, at the size of the picture.

The idea to hold: class ids are integers with no class axis; everything with a class axis is scores. Which axis that is
follows from the number of classes where the file tells it, else from the picture's proportions. What has not the
picture's proportions is no map of it: a classifier's scores are refused, not stretched over the picture.
"""

from math import prod
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.transforms import resize_ids
from edge_deeplab.errors import ArtifactError
from edge_deeplab.runtimes.base import ClassIds, Logits
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor

MOST_CLASSES = 256
"""Class ids are bytes."""
_MOST_SCORES = 1 << 26
"""Scores of one picture, 256 MiB of them: 150 classes at 660x660, 19 at 1536x2048."""


Layout = Literal["HW", "CHW", "HWC"]
"""Of an output: class ids, or scores with the classes first or last; a batch of 1 before it."""


def layout_of(output: Tensor, image: ImageTensor, classes: int | None) -> Layout:
    """Return how an output that `class_map` reads lies; arguments as there."""
    if output.dtype.kind in "iu" and not _has_class_axis(output):
        return "HW"
    first, second, third = output.shape[-3:]
    return "HWC" if _classes_are_last((first, second, third), image, classes) else "CHW"


def class_map(
    output: Tensor,
    image: ImageTensor,
    *,
    path: str,
    classes: int | None = None,
    threshold: float | None = None,
) -> ClassIds:
    """Return (H, W) uint8 class ids at the size of the picture.

    Args:
        output: class ids of an integer type, (1, H, W), (H, W), (1, H, W, 1) or (1, 1, H, W), enlarged to the nearest
            pixel where they are smaller; or scores as for `score_map`, whose largest is taken.
        image: the file's input.
        path: the file, for the error message.
        classes: how many there are; None where the file does not tell.
        threshold: of a mask of one class, a single channel: from this value on, in the file's own units, a pixel is of
            class 1, below it of class 0.

    Raises:
        ArtifactError: when the output is neither, or has not the picture's proportions; for one channel of floats
            without a threshold, and for anything else with one.
    """
    if threshold is not None:
        return _above(threshold, output, image, path)
    if output.dtype.kind == "f" and _only_channel(output, image) is not None:
        raise ArtifactError(
            f"{path} gives one channel of {output.dtype}, a mask of one class; the value from which on a pixel is "
            "of that class was expected with it; pass a threshold: 0.5 of probabilities, 0 of scores before a sigmoid"
        )
    if output.dtype.kind not in "iu" or _has_class_axis(output):
        scores = score_map(output, image, path=path, classes=classes)
        return np.asarray(scores.argmax(axis=0), np.uint8)
    sides = [side for side in output.shape if side != 1]
    if len(sides) > 2 or output.ndim not in (2, 3, 4):
        raise _unexpected(output, path)
    ids = output[0, ..., 0] if output.ndim == 4 and output.shape[3] == 1 else output
    ids = ids.reshape(ids.shape[-2:])
    if not _shows(ids.shape, image):
        raise _unexpected(output, path)
    if ids.min(initial=0) < 0 or ids.max(initial=0) > np.iinfo(np.uint8).max:
        raise ArtifactError(
            f"{path} gives class ids from {ids.min()} to {ids.max()}; 0 to 255 was expected; "
            "export its class map or its scores, or pass a threshold where it is a mask of one class"
        )
    return resize_ids(ids.astype(np.uint8), image.size_hw)


def _above(threshold: float, output: Tensor, image: ImageTensor, path: str) -> ClassIds:
    """Return 1 where a single channel reaches a value, 0 elsewhere; a smaller one is enlarged bilinearly before."""
    channel = _only_channel(output, image)
    if channel is None:
        shape = ", ".join(map(str, output.shape))
        raise ArtifactError(
            f"{path} gives {output.dtype} of shape ({shape}) and a threshold came; one channel in the picture's "
            "proportions was expected with it; leave the threshold out"
        )
    values = _resize_scores(np.asarray(channel[None], np.float32), image.size_hw)[0]
    return np.asarray(values >= threshold, np.uint8)


def _only_channel(output: Tensor, image: ImageTensor) -> Tensor | None:
    """Return the (H, W) of an output that has no more than these; None where it has, or shows no such picture."""
    if output.ndim not in (2, 3, 4) or sum(side != 1 for side in output.shape) > 2:
        return None
    channel = output[0, ..., 0] if output.ndim == 4 and output.shape[3] == 1 else output
    channel = channel.reshape(channel.shape[-2:])
    return channel if _shows(channel.shape, image) else None


def score_map(
    output: Tensor, image: ImageTensor, *, path: str, classes: int | None = None
) -> Logits:
    """Return (C, H, W) float32 scores at the size of the picture, enlarged bilinearly where they are smaller.

    Args:
        output: (1, C, H, W), (1, H, W, C), (C, H, W) or (H, W, C), at least two classes.
        image: the file's input.
        path: the file, for the error message.
        classes: how many there are; None where the file does not tell.

    Raises:
        ArtifactError: when the output has no such shape or not the picture's proportions, or there are more classes or
            scores than one can mean.
    """
    if not _has_class_axis(output):
        raise _unexpected(output, path)
    first, second, third = output.shape[-3:]
    last = _classes_are_last((first, second, third), image, classes)
    found = third if last else first
    if found > MOST_CLASSES or max(found * prod(image.size_hw), output.size) > _MOST_SCORES:
        raise ArtifactError(
            f"{path} gives scores of {found} classes for a picture of {image.size_hw[0]}x{image.size_hw[1]}; at most "
            f"{MOST_CLASSES} classes, and {_MOST_SCORES} scores, were expected; export its class map"
        )
    scores = np.asarray(output.reshape(first, second, third), np.float32)
    if last:
        scores = scores.transpose(2, 0, 1)
    is_stranger = classes is None  # our own files' scores may be tapped where rows are still halved
    if is_stranger and not _shows(scores.shape[1:], image):
        raise _unexpected(output, path)
    return _resize_scores(scores, image.size_hw)


def _shows(size_hw: tuple[int, ...], image: ImageTensor) -> bool:
    """Whether a map of a size can be one of the picture: of its proportions, each side rounded by up to a pixel."""
    height, width = size_hw
    rows, columns = image.size_hw
    has_sides = min(height, width) > 1 or min(rows, columns) == 1
    return has_sides and abs(height * columns - width * rows) <= rows + columns


def _has_class_axis(output: Tensor) -> bool:
    """Whether it can be scores: four axes, or three of floats, and more than one class."""
    if output.ndim == 3:
        return output.dtype.kind == "f" and output.shape[0] > 1 and output.shape[2] > 1
    return output.ndim == 4 and output.shape[0] == 1 and output.shape[1] > 1 and output.shape[3] > 1


def _classes_are_last(shape: tuple[int, int, int], image: ImageTensor, classes: int | None) -> bool:
    """Whether it is (H, W, C): by the number of classes, else by the picture's proportions, else as in the input."""
    if (shape[0] == classes) != (shape[2] == classes):
        return shape[2] == classes
    height, width = image.size_hw
    as_last = abs(shape[0] / height - shape[1] / width)
    as_first = abs(shape[1] / height - shape[2] / width)
    return image.channels_last if as_last == as_first else as_last < as_first


def _resize_scores(scores: Logits, size_hw: tuple[int, int]) -> Logits:
    """Return scores (C, H, W) at another size: bilinear, half-pixel centres, as DeepLabV3+ upsamples."""
    if scores.shape[1:] == size_hw:
        return scores
    rows, columns = (
        _interpolation(new, old) for new, old in zip(size_hw, scores.shape[1:], strict=True)
    )
    return np.asarray(rows @ scores @ columns.T, np.float32)


def _interpolation(new: int, old: int) -> npt.NDArray[np.float32]:
    """Return the (new, old) matrix of linear interpolation between pixel centres, edges repeated."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    distances = np.abs(centres[:, None] - np.arange(old)[None])
    return np.asarray(np.maximum(0, 1 - distances), np.float32)


def _unexpected(output: Tensor, path: str) -> ArtifactError:
    shape = ", ".join(map(str, output.shape))
    return ArtifactError(
        f"{path} gives {output.dtype} of shape ({shape}); a map in the picture's proportions was expected: class ids "
        f"(1, H, W), or scores (1, C, H, W) or (1, H, W, C) of at most {MOST_CLASSES} classes; export it with one of "
        "them as its first output"
    )
