"""The dash camera: a pinhole that looks along the street, from world metres to canvas pixels.

World axes: x to the right from the middle of the road, y up from the ground, z forward from the camera. All lines along
z meet at one vanishing point; a shifted vanishing point stands in for a turned camera.
"""

from dataclasses import dataclass

import numpy as np

NEAR_M = 0.8

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera above the road.

    Attributes:
        x_m: metres to the right of the road's middle.
        height_m: metres above the ground.
        focal_px: focal length in canvas pixels.
        vanishing_u: canvas column of the vanishing point.
        horizon_v: canvas row of the horizon.
        width_px: canvas width.
        height_px: canvas height.
    """

    x_m: float
    height_m: float
    focal_px: float
    vanishing_u: float
    horizon_v: float
    width_px: int
    height_px: int

    def project(self, x: float, y: float, z: float) -> Point:
        """Gives the canvas (column, row) of a world point; depths before the near plane are moved onto it."""
        scale = self.focal_px / (z if z > NEAR_M else NEAR_M)
        return (
            self.vanishing_u + (x - self.x_m) * scale,
            self.horizon_v + (self.height_m - y) * scale,
        )

    def scale_at(self, z: float) -> float:
        """Gives canvas pixels per metre at depth z metres."""
        return self.focal_px / max(z, NEAR_M)


def sample_camera(rng: np.random.Generator, canvas_hw: tuple[int, int], lane_x_m: float) -> Camera:
    """Draws a camera in its lane, with a random height, focal length and heading.

    Args:
        rng: source of randomness.
        canvas_hw: (height, width) of the supersampled canvas in pixels.
        lane_x_m: middle of the camera's lane, metres from the road's middle.
    """
    height, width = canvas_hw
    return Camera(
        x_m=lane_x_m + rng.uniform(-0.5, 0.5),
        height_m=rng.uniform(1.35, 1.9),
        focal_px=rng.uniform(0.82, 1.1) * max(width, 1.2 * height),
        vanishing_u=width * rng.uniform(0.38, 0.62),
        horizon_v=height * rng.uniform(0.42, 0.54),
        width_px=width,
        height_px=height,
    )
