"""Geometric and photometric transforms of images and masks, on numpy arrays.

One idea: every random choice comes from the generator that is passed in, so a sample depends on its
seed alone and never on the worker that made it. Training, evaluation, runtimes and demo share
`resize_image` and `resize_ids`, so they cannot disagree.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_deeplab.data.images import ImageHWC, MaskIds

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def resize_image(image_hwc: ImageHWC, size_hw: tuple[int, int]) -> ImageHWC:
    """Resize bilinearly (half-pixel centres, antialiased when shrinking) to (height, width)."""
    if image_hwc.shape[:2] == size_hw:
        return image_hwc
    height, width = size_hw
    resized = Image.fromarray(image_hwc).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8)


def resize_ids(ids: MaskIds, size_hw: tuple[int, int]) -> MaskIds:
    """Resize class ids to (height, width) by nearest neighbour (half-pixel centres).

    Where an output pixel lies halfway between two, either is nearest; Pillow's running sum decides which. Everything
    that resizes ids does it here, so that no two parts of the package decide otherwise.
    """
    if ids.shape == size_hw:
        return ids
    height, width = size_hw
    resized = Image.fromarray(ids).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(resized, np.uint8)


@dataclass(frozen=True)
class Augmentation:
    """How a training crop is drawn from a labelled image.

    Args:
        crop_hw: height and width of the crop.
        scale: smallest and largest random scale (DeepLabV3+ section 4: 0.5 to 2).
        flip: probability of a left-right flip.
        jitter: strength of brightness, contrast, saturation and gamma changes; 0 turns them off.
        focus: probability that the crop is placed around a pixel of a class drawn uniformly from
            those present, so that rare classes are seen as often as common ones.
        ignore_index: label of the padding around small images.
    """

    crop_hw: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    jitter: float = 0.4
    focus: float = 0.5
    ignore_index: int = 255

    def __call__(
        self, image_hwc: ImageHWC, mask_ids: MaskIds, rng: np.random.Generator
    ) -> tuple[ImageHWC, MaskIds]:
        """Return a (crop_hw, 3) uint8 image and a crop_hw mask drawn with `rng`."""
        factor = float(np.exp(rng.uniform(np.log(self.scale[0]), np.log(self.scale[1]))))
        height, width = (max(1, round(side * factor)) for side in mask_ids.shape)
        image, mask = (
            resize_image(image_hwc, (height, width)),
            resize_ids(mask_ids, (height, width)),
        )
        image, mask = self._crop(image, mask, rng)
        if rng.random() < self.flip:
            image, mask = image[:, ::-1], mask[:, ::-1]
        if self.jitter > 0:
            image = jitter_colours(image, self.jitter, rng)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)

    def _crop(
        self, image: ImageHWC, mask: MaskIds, rng: np.random.Generator
    ) -> tuple[ImageHWC, MaskIds]:
        centre = self._focus_pixel(mask, rng)
        rows = _crop_window(
            mask.shape[0], self.crop_hw[0], None if centre is None else centre[0], rng
        )
        columns = _crop_window(
            mask.shape[1], self.crop_hw[1], None if centre is None else centre[1], rng
        )
        image, mask = image[rows, columns], mask[rows, columns]
        missing = [(0, self.crop_hw[0] - mask.shape[0]), (0, self.crop_hw[1] - mask.shape[1])]
        if missing != [(0, 0), (0, 0)]:
            offsets = [int(rng.integers(0, after + 1)) for _, after in missing]
            around = [(o, after - o) for o, (_, after) in zip(offsets, missing, strict=True)]
            image = np.pad(image, [*around, (0, 0)], constant_values=127)
            mask = np.pad(mask, around, constant_values=self.ignore_index)
        return image, mask

    def _focus_pixel(self, mask: MaskIds, rng: np.random.Generator) -> npt.NDArray[np.intp] | None:
        if rng.random() >= self.focus:
            return None
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        present = present[present != self.ignore_index]
        if not len(present):
            return None
        pixels = np.flatnonzero(mask.ravel() == rng.choice(present))
        return np.array(divmod(int(rng.choice(pixels)), mask.shape[1]))


def paste_classes(
    below: tuple[ImageHWC, MaskIds],
    above: tuple[ImageHWC, MaskIds],
    rng: np.random.Generator,
    *,
    ignore_index: int = 255,
) -> tuple[ImageHWC, MaskIds]:
    """Paste half of the classes of a crop into another of the same size (ClassMix, arXiv 2007.07936).

    Args:
        below: (H, W, 3) uint8 image and (H, W) mask that is pasted into.
        above: those that are pasted from; half of the classes present in its mask, one at least, are taken.
        rng: source of every random choice.
        ignore_index: label that is never pasted.
    """
    image, mask = above
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    present = present[present != ignore_index]
    taken = rng.permutation(present)[: (len(present) + 1) // 2]
    pasted = np.isin(mask, taken)
    return np.where(pasted[..., None], image, below[0]), np.where(pasted, mask, below[1])


def _crop_window(length: int, crop: int, centre: int | None, rng: np.random.Generator) -> slice:
    """Return a random window of `crop` within `length`, containing `centre` where one is given."""
    last = max(0, length - crop)
    if centre is None:
        start = int(rng.integers(0, last + 1))
    else:
        low, high = max(0, centre - crop + 1), min(last, centre)
        start = int(rng.integers(min(low, high), high + 1))
    return slice(start, start + crop)


def jitter_colours(image_hwc: ImageHWC, strength: float, rng: np.random.Generator) -> ImageHWC:
    """Change gamma, brightness, contrast, saturation and colour temperature at random.

    Args:
        image_hwc: (H, W, 3) uint8 RGB.
        strength: 0 (nothing) to 1; each factor is drawn from [1 - strength, 1 + strength] or narrower.
        rng: source of every random choice.
    """
    x = image_hwc.astype(np.float32) * (1 / 255)
    x **= float(np.exp(rng.uniform(-strength, strength)))  # gamma: darker or lighter shadows
    mean = float(x.mean())
    x = (x - mean) * rng.uniform(1 - strength, 1 + strength) + mean * rng.uniform(
        1 - strength, 1 + strength
    )
    grey = (x @ _LUMA)[..., None]
    x = grey + (x - grey) * rng.uniform(1 - strength, 1 + strength)
    x *= rng.uniform(1 - strength / 4, 1 + strength / 4, size=3).astype(np.float32)
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
