"""From a clean drawing to a photograph: surface grain, ground shadows, exposure, vignette, blur and sensor noise."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edge_deeplab.data.rendered.labels import CLASSES, SceneClass
from edge_deeplab.data.rendered.light import Light

GRAIN: dict[SceneClass, float] = {
    SceneClass.SKY: 0.004,
    SceneClass.BUILDING: 0.045,
    SceneClass.POLE: 0.02,
    SceneClass.ROAD: 0.042,
    SceneClass.PAVEMENT: 0.05,
    SceneClass.TREE: 0.15,
    SceneClass.SIGN: 0.015,
    SceneClass.FENCE: 0.05,
    SceneClass.CAR: 0.02,
    SceneClass.PEDESTRIAN: 0.04,
    SceneClass.BICYCLIST: 0.03,
}
GRAIN_BY_ID: NDArray[np.float32] = np.array(
    [GRAIN[SceneClass(index)] for index in range(len(CLASSES))], np.float32
)


def develop(
    rng: np.random.Generator,
    drawing: Image.Image,
    mask_ids: NDArray[np.uint8],
    shadows: Image.Image,
    light: Light,
) -> NDArray[np.uint8]:
    """Gives the photograph of a drawing.

    Args:
        rng: source of randomness.
        drawing: RGB image (H, W) after supersampling.
        mask_ids: (H, W) uint8 class ids.
        shadows: L image of at least (H, W); 255 is the darkest ground shadow.
        light: exposure and tint.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    noise = rng.standard_normal(mask_ids.shape, np.float32)
    gain = _surface_gain(rng, mask_ids, noise)
    gain *= _ground_shade(mask_ids, shadows)
    gain *= _vignette(mask_ids.shape) * np.float32(light.exposure)
    soft = drawing.filter(ImageFilter.GaussianBlur(rng.uniform(0.25, 0.6)))
    photo = np.asarray(soft).astype(np.float32)
    photo *= gain[..., None]
    strength = np.float32(rng.uniform(1.0, 3.2))
    for channel in range(3):  # one field, rolled apart, is noise enough for three channels
        photo[..., channel] += np.roll(noise, 17 * channel + 5, axis=1) * strength
    np.clip(photo, 0.0, 255.0, out=photo)
    return photo.astype(np.uint8)


def _surface_gain(
    rng: np.random.Generator, mask_ids: NDArray[np.uint8], noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Gives each class its roughness, as a gain around 1: fine grain and broad stains."""
    height, width = mask_ids.shape
    cells = rng.standard_normal((max(2, height // 5), max(2, width // 8)), np.float32)
    stains = Image.fromarray(cells).resize((width, height), Image.Resampling.BILINEAR)
    gain: NDArray[np.float32] = 1.0 + GRAIN_BY_ID[mask_ids] * (0.6 * noise + np.asarray(stains))
    return gain


def _ground_shade(mask_ids: NDArray[np.uint8], shadows: Image.Image) -> NDArray[np.float32]:
    """Gives the gain of cast shadows: they darken road and pavement and nothing that stands on them."""
    height, width = mask_ids.shape
    blurred = shadows.filter(ImageFilter.BoxBlur(2))
    dark = np.asarray(blurred, np.float32)[:height, :width] * np.float32(-0.75 / 255.0)
    lies = (mask_ids == SceneClass.ROAD) | (mask_ids == SceneClass.PAVEMENT)
    gain: NDArray[np.float32] = 1.0 + dark * lies
    return gain


def _vignette(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Gives the fall-off of a lens towards the corners."""
    rows = np.linspace(-1.0, 1.0, shape[0], dtype=np.float32)[:, None] ** 2
    columns = np.linspace(-1.0, 1.0, shape[1], dtype=np.float32)[None, :] ** 2
    gain: NDArray[np.float32] = 1.0 - 0.09 * (rows + columns)
    return gain
