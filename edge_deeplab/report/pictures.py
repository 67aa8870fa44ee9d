"""Pictures as they lie in the page: photographs as WebP, class maps and differences as PNGs of a palette."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from edge_deeplab.data.dataset import Sample
from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_ids, resize_image
from edge_deeplab.description import ClassInfo
from edge_deeplab.evaluation.metrics import NO_CLASS, Ids
from edge_deeplab.formats.sizes import Size

MOST_PIXELS = 1 << 19
"""Of a picture in the page; larger ones are shown smaller."""
_QUALITY = 82
_DIFFERS = (255, 0, 190)
"""Colour of pixels that differ: none of the usual palettes' classes has it."""


@dataclass(frozen=True)
class SharedLayers:
    """One photograph at one input size: addresses (`data:`) of pictures of one size.

    Args:
        photograph: at the input size, or smaller.
        truth: what the mask says; void is transparent.
        reference: what the reference says.
        size_hw: height and width of all of them.
    """

    photograph: str
    truth: str
    reference: str
    size_hw: Size

    @property
    def bytes(self) -> int:
        """How much of the page they take."""
        return len(self.photograph) + len(self.truth) + len(self.reference)


@dataclass(frozen=True)
class Layers:
    """One photograph as one artifact saw it.

    Args:
        shared: what all artifacts of its input size have.
        artifact: address of what the artifact says.
        differences: address of the pixels at which it and the reference differ.
    """

    shared: SharedLayers
    artifact: str
    differences: str

    @property
    def bytes(self) -> int:
        """How much of the page the artifact's own two take."""
        return len(self.artifact) + len(self.differences)


def draw_shared(sample: Sample, reference_ids: Ids, classes: Sequence[ClassInfo]) -> SharedLayers:
    """Return the pictures that the artifacts of an input size share.

    Args:
        sample: the labelled image, of any size.
        reference_ids: (H, W) uint8, at the input size.
        classes: the data set's, in id order.
    """
    shown_hw = shown_size((reference_ids.shape[0], reference_ids.shape[1]))
    colours = [c.color for c in classes]
    return SharedLayers(
        photograph=_photograph(resize_image(sample.image_hwc, shown_hw)),
        truth=_class_map(resize_ids(sample.mask_ids, shown_hw), colours),
        reference=_class_map(resize_ids(reference_ids, shown_hw), colours),
        size_hw=shown_hw,
    )


def draw_layers(
    shared: SharedLayers, reference_ids: Ids, artifact_ids: Ids, classes: Sequence[ClassInfo]
) -> Layers:
    """Return the pictures of one image as an artifact saw it.

    Args:
        shared: of the image, at the artifact's input size.
        reference_ids: (H, W) uint8, at that size.
        artifact_ids: the same of the artifact.
        classes: the data set's, in id order.
    """
    differs = resize_ids((reference_ids != artifact_ids).astype(np.uint8), shared.size_hw)
    marked = np.where(differs == 1, 0, NO_CLASS).astype(np.uint8)
    return Layers(
        shared,
        _class_map(resize_ids(artifact_ids, shared.size_hw), [c.color for c in classes]),
        _class_map(marked, [_DIFFERS]),
    )


def shown_size(size_hw: Size) -> Size:
    """Return the size at which a picture is shown: its own, or of its shape with `MOST_PIXELS` at most."""
    height, width = size_hw
    shrink = min(1.0, (MOST_PIXELS / (height * width)) ** 0.5)
    return max(1, int(height * shrink)), max(1, int(width * shrink))


def _photograph(image_hwc: ImageHWC) -> str:
    file = BytesIO()
    Image.fromarray(image_hwc).save(file, "WEBP", quality=_QUALITY, method=4)
    return _address("image/webp", file)


def _class_map(ids: Ids, colours: Sequence[tuple[int, int, int]]) -> str:
    """Return ids as a PNG in their colours; what is no class is transparent."""
    known = np.where(ids < len(colours), ids, NO_CLASS).astype(np.uint8)
    picture = Image.fromarray(known)
    flat = [channel for colour in colours for channel in colour]
    picture.putpalette([*flat, *[0] * (768 - len(flat))])
    file = BytesIO()
    picture.save(file, "PNG", transparency=NO_CLASS)
    return _address("image/png", file)


def _address(kind: str, file: BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
