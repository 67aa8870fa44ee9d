"""Two surfaces drawn by the same strokes: colours and class ids, both supersampled.

Because every labelled stroke goes to both, the mask is by construction what the picture shows; details that do not
change the class (windows, lane markings) go to the colours alone. A third, small surface collects the shadows on the
ground.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edge_deeplab.data.rendered.camera import Point
from edge_deeplab.data.rendered.labels import RGB, SceneClass

SUPERSAMPLE = 2


class Canvas:
    """The surfaces of one scene, in canvas pixels (`SUPERSAMPLE` times the final ones)."""

    def __init__(self, backdrop: Image.Image) -> None:
        """Starts from a backdrop, all of it sky.

        Args:
            backdrop: RGB image of the canvas size; drawn over in place.
        """
        self.colours = backdrop
        self.ids = Image.new("L", backdrop.size, int(SceneClass.SKY))
        width, height = backdrop.size
        self.shadows = Image.new("L", (width // SUPERSAMPLE, height // SUPERSAMPLE), 0)
        self._paint = ImageDraw.Draw(self.colours)
        self._label = ImageDraw.Draw(self.ids)
        self._shadow = ImageDraw.Draw(self.shadows)

    def polygon(self, points: Sequence[Point], rgb: RGB, label: SceneClass | None = None) -> None:
        """Fills a polygon; without a label the class below it stays."""
        self._paint.polygon(points, fill=rgb)
        if label is not None:
            self._label.polygon(points, fill=int(label))

    def ellipse(
        self, centre: Point, radii: Point, rgb: RGB, label: SceneClass | None = None
    ) -> None:
        """Fills an upright ellipse; without a label the class below it stays."""
        box = (
            centre[0] - radii[0],
            centre[1] - radii[1],
            centre[0] + radii[0],
            centre[1] + radii[1],
        )
        self._paint.ellipse(box, fill=rgb)
        if label is not None:
            self._label.ellipse(box, fill=int(label))

    def line(
        self, points: Sequence[Point], rgb: RGB, width_px: float, label: SceneClass | None = None
    ) -> None:
        """Draws an open line; without a label the class below it stays."""
        width = max(1, round(width_px))
        self._paint.line(points, fill=rgb, width=width)
        if label is not None:
            self._label.line(points, fill=int(label), width=width)

    def label_polygon(self, points: Sequence[Point], label: SceneClass) -> None:
        """Labels a polygon without painting it, for see-through things such as railings."""
        self._label.polygon(points, fill=int(label))

    def label_ellipse(self, centre: Point, radii: Point, label: SceneClass) -> None:
        """Labels an upright ellipse without painting it, for spoked wheels."""
        (u, v), (ru, rv) = centre, radii
        self._label.ellipse((u - ru, v - rv, u + ru, v + rv), fill=int(label))

    def shadow(self, points: Sequence[Point], strength: int) -> None:
        """Lays a shadow of strength 0 to 255 on the ground inside a polygon."""
        self._shadow.polygon([(u / SUPERSAMPLE, v / SUPERSAMPLE) for u, v in points], fill=strength)

    def reduce(self) -> tuple[Image.Image, NDArray[np.uint8]]:
        """Gives the antialiased colours (RGB) and the exact ids (H, W) uint8 at the final size."""
        offset = SUPERSAMPLE // 2
        ids = np.asarray(self.ids)[offset::SUPERSAMPLE, offset::SUPERSAMPLE]
        return self.colours.reduce(SUPERSAMPLE), np.ascontiguousarray(ids)
