"""The sky: a gradient from zenith to horizon under clouds of layered noise."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_deeplab.data.rendered.camera import Camera
from edge_deeplab.data.rendered.light import Light

CELL_PX = 8  # the sky is soft: it is computed on a coarse grid and enlarged


def draw_cloud_field(
    rng: np.random.Generator, grid_hw: tuple[int, int], stretch: int = 2
) -> NDArray[np.float32]:
    """Draws layered smooth noise.

    Args:
        rng: source of randomness.
        grid_hw: (height, width) of the result.
        stretch: how much wider than high the clouds are.

    Returns:
        (height, width) float32, about 0 to 1.
    """
    height, width = grid_hw
    field = np.zeros(grid_hw, np.float32)
    for octave, weight in enumerate((0.5, 0.3, 0.2)):
        cells = (3 << octave) + 1
        noise = rng.random((cells * stretch, cells), dtype=np.float32)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        field += weight * np.asarray(layer)
    return field


def draw_sky(rng: np.random.Generator, camera: Camera, light: Light) -> Image.Image:
    """Gives an RGB image of the canvas size filled with sky; below the horizon it is the horizon's colour."""
    height, width = camera.height_px, camera.width_px
    grid = (max(2, height // CELL_PX), max(2, width // CELL_PX))
    weather = light.weather
    rise = np.clip(1.0 - np.arange(grid[0]) * CELL_PX / camera.horizon_v, 0.0, 1.0)
    mix = (rise**0.8).astype(np.float32)[:, None, None]
    zenith, horizon, cloud = (
        np.array(rgb, np.float32) for rgb in (weather.zenith, weather.horizon, weather.cloud)
    )
    sky = horizon + (zenith - horizon) * mix
    field = draw_cloud_field(rng, grid)
    cover = np.clip((field - (0.75 - 0.5 * light.cloud_cover)) * 5.0, 0.0, 1.0)[..., None]
    shading = 0.93 + 0.12 * draw_cloud_field(rng, grid)[..., None]
    sky = sky + (cloud * shading - sky) * (cover * 0.85)
    coarse = Image.fromarray(np.clip(sky, 0.0, 255.0).astype(np.uint8))
    return coarse.resize((width, height), Image.Resampling.BILINEAR)
