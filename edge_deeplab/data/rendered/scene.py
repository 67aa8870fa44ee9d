"""One labelled street scene from one seed: plan, light and camera are drawn, then all is painted from far to near."""

import numpy as np
from numpy.typing import NDArray

from edge_deeplab.data.rendered import buildings, vegetation
from edge_deeplab.data.rendered.camera import sample_camera
from edge_deeplab.data.rendered.canvas import SUPERSAMPLE, Canvas
from edge_deeplab.data.rendered.light import sample_light
from edge_deeplab.data.rendered.photometry import develop
from edge_deeplab.data.rendered.placement import place_objects
from edge_deeplab.data.rendered.scenery import Scenery
from edge_deeplab.data.rendered.sky import draw_sky
from edge_deeplab.data.rendered.street import StreetPlan, paint_ground, sample_plan
from edge_deeplab.errors import ConfigError

SMALLEST_PX, LARGEST_PX = 32, 2048


def render_scene(
    seed: int, size_hw: tuple[int, int] = (360, 480)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws a street scene with its labels; the same seed and size give the same arrays everywhere.

    Args:
        seed: which scene; 0 or more.
        size_hw: (height, width) in pixels, each 32 to 2048.

    Returns:
        The image (H, W, 3) uint8 RGB and the mask (H, W) uint8 of class ids 0 to 10, in the order of `CLASSES`.

    Raises:
        ConfigError: when the seed is negative or not an integer, or the size is not two integers in range.
    """
    height, width = _check_request(seed, size_hw)
    rng = np.random.Generator(np.random.PCG64(seed))
    plan, light = sample_plan(rng), sample_light(rng)
    camera = sample_camera(
        rng, (height * SUPERSAMPLE, width * SUPERSAMPLE), plan.lane(plan.drive_side)
    )
    scenery = Scenery(Canvas(draw_sky(rng, camera, light)), camera, light, rng)
    paint_ground(scenery, plan)
    _paint_surroundings(scenery, plan)
    for _, paint in sorted(place_objects(scenery, plan), key=lambda placed: -placed[0]):
        paint()
    drawing, mask_ids = scenery.canvas.reduce()
    return develop(rng, drawing, mask_ids, scenery.canvas.shadows, light), mask_ids


def _check_request(seed: int, size_hw: tuple[int, int]) -> tuple[int, int]:
    """Gives the checked (height, width)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(
            f"seed is {seed!r}; expected an integer of 0 or more; pass a scene number"
        )
    sides = tuple(size_hw) if isinstance(size_hw, (tuple, list)) else ()
    if len(sides) != 2 or any(
        isinstance(side, bool)
        or not isinstance(side, (int, np.integer))
        or not SMALLEST_PX <= side <= LARGEST_PX
        for side in sides
    ):
        raise ConfigError(
            f"size_hw is {size_hw!r}; expected (height, width), two integers from {SMALLEST_PX} to "
            f"{LARGEST_PX}; pass for example (360, 480)"
        )
    return int(sides[0]), int(sides[1])


def _paint_surroundings(scenery: Scenery, plan: StreetPlan) -> None:
    """Paints what stands beyond the pavements: the end of the street, the rows of houses, a park."""
    rng = scenery.rng
    buildings.paint_backdrop(scenery, plan.length_m + 4.0)
    for _ in range(int(rng.integers(0, 5))):
        vegetation.paint_tree(scenery, rng.uniform(-25.0, 25.0), plan.length_m + 2.0, 1.4)
    for side in (-1, 1):
        if side != plan.park_side:
            buildings.paint_row(scenery, plan, side)
            continue
        buildings.paint_row(scenery, plan, side, setback_m=rng.uniform(9.0, 16.0))
        depths = sorted(rng.uniform(7.0, 55.0, int(rng.integers(4, 8))), reverse=True)
        for z in depths:
            x = plan.frontage(side) + side * rng.uniform(1.5, 6.0)
            vegetation.paint_tree(scenery, x, float(z), rng.uniform(0.9, 1.4))
