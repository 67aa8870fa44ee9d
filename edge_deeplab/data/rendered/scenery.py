"""What every painter is handed: the canvas, the camera, the light and the source of randomness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_deeplab.data.rendered.camera import Camera, Point
from edge_deeplab.data.rendered.canvas import Canvas
from edge_deeplab.data.rendered.labels import RGB
from edge_deeplab.data.rendered.light import Light


@dataclass(frozen=True, slots=True)
class Scenery:
    """One scene in the making."""

    canvas: Canvas
    camera: Camera
    light: Light
    rng: np.random.Generator

    def pick(self, paints: Sequence[RGB], spread: int = 10) -> RGB:
        """Draws one paint and shifts its brightness by up to `spread` levels."""
        red, green, blue = paints[int(self.rng.random() * len(paints))]
        shift = int((self.rng.random() * 2.0 - 1.0) * spread)
        return (
            min(255, max(0, red + shift)),
            min(255, max(0, green + shift)),
            min(255, max(0, blue + shift)),
        )

    def cast_shadow(
        self, x0: float, x1: float, z0: float, z1: float, strength: float = 1.0
    ) -> None:
        """Lays a rectangular shadow on the ground (metres), scaled by how hard the light is."""
        project = self.camera.project
        corners = [
            project(x0, 0.0, z0),
            project(x1, 0.0, z0),
            project(x1, 0.0, z1),
            project(x0, 0.0, z1),
        ]
        self.canvas.shadow(corners, int(255 * min(1.0, strength)))


@dataclass(frozen=True, slots=True)
class Billboard:
    """An upright sheet facing the camera, for things drawn in their own metres.

    Attributes:
        foot: canvas point where the sheet stands on the ground.
        scale: canvas pixels per metre.
        depth_m: distance from the camera.
    """

    foot: Point
    scale: float
    depth_m: float

    def at(self, across_m: float, up_m: float) -> Point:
        """Gives the canvas point that lies so far to the right of the foot and above it."""
        return (self.foot[0] + across_m * self.scale, self.foot[1] - up_m * self.scale)

    def box(self, left: float, right: float, bottom: float, top: float) -> list[Point]:
        """Gives the corners of an upright rectangle on the sheet (metres)."""
        return [
            self.at(left, bottom),
            self.at(right, bottom),
            self.at(right, top),
            self.at(left, top),
        ]


def stand_billboard(camera: Camera, x_m: float, z_m: float) -> Billboard:
    """Stands a sheet on the ground at x metres across and z metres ahead."""
    return Billboard(camera.project(x_m, 0.0, z_m), camera.scale_at(z_m), z_m)
