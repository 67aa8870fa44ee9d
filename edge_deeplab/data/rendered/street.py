"""The street itself: its plan in metres, the road surface, its markings, the kerbs and the pavements."""

from dataclasses import dataclass

import numpy as np

from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Scenery

FAR_M = 120.0
BANDS_M: tuple[float, ...] = (0.8, 2.2, 3.2, 4.5, 6.5, 9.0, 13.0, 19.0, 28.0, 42.0, 65.0, FAR_M)
ASPHALTS: tuple[RGB, ...] = ((92, 92, 96), (78, 79, 84), (108, 107, 108), (86, 84, 84))
FLAGSTONES: tuple[RGB, ...] = ((166, 160, 152), (150, 146, 142), (172, 156, 142), (156, 150, 138))
PAINT: RGB = (226, 226, 222)
YELLOW: RGB = (214, 184, 84)


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """The street seen from above, in metres.

    Attributes:
        half_road_m: from the middle of the road to a kerb.
        pavement_m: width of the (left, right) pavement.
        drive_side: -1 where traffic keeps left, +1 where it keeps right.
        length_m: depth at which the street ends.
        park_side: side without houses (-1, +1), 0 for none.
        junction_m: (side, from, to) of a side street, None without one.
    """

    half_road_m: float
    pavement_m: tuple[float, float]
    drive_side: int
    length_m: float
    park_side: int
    junction_m: tuple[int, float, float] | None

    def kerb(self, side: int) -> float:
        """Gives the x of the kerb on a side (-1 or +1)."""
        return side * self.half_road_m

    def frontage(self, side: int) -> float:
        """Gives the x where the pavement on a side ends and the houses begin."""
        return side * (self.half_road_m + self.pavement_m[(side + 1) // 2])

    def lane(self, side: int) -> float:
        """Gives the x of the middle of the lane on a side."""
        return side * self.half_road_m * 0.48

    def is_kerbside(self, side: int, z: float) -> bool:
        """Tells whether a depth on a side is clear of the mouth of the side street."""
        mouth = self.junction_m
        return mouth is None or mouth[0] != side or not mouth[1] - 1.0 < z < mouth[2] + 1.0


def sample_plan(rng: np.random.Generator) -> StreetPlan:
    """Draws a street."""
    junction = None
    if rng.random() < 0.4:
        start = rng.uniform(14.0, 32.0)
        junction = (-1 if rng.random() < 0.5 else 1, start, start + rng.uniform(7.0, 10.0))
    park = rng.random()
    return StreetPlan(
        half_road_m=rng.uniform(3.6, 5.2),
        pavement_m=(rng.uniform(1.9, 4.2), rng.uniform(1.9, 4.2)),
        drive_side=-1 if rng.random() < 0.6 else 1,
        length_m=rng.uniform(70.0, FAR_M - 5.0),
        park_side=-1 if park < 0.2 else (1 if park < 0.4 else 0),
        junction_m=junction,
    )


def paint_ground(scenery: Scenery, plan: StreetPlan) -> None:
    """Paints everything that lies flat: pavements, road, kerbs, joints and markings."""
    flag, asphalt = scenery.pick(FLAGSTONES), scenery.pick(ASPHALTS)
    for near, far in zip(reversed(BANDS_M[:-1]), reversed(BANDS_M[1:]), strict=True):
        _paint_strip(scenery, (-90.0, 90.0), (near, far), flag, SceneClass.PAVEMENT)
    _paint_joints(scenery, plan, flag)
    for near, far in zip(reversed(BANDS_M[:-1]), reversed(BANDS_M[1:]), strict=True):
        _paint_strip(scenery, (plan.kerb(-1), plan.kerb(1)), (near, far), asphalt, SceneClass.ROAD)
    if plan.junction_m is not None:
        side, start, end = plan.junction_m
        span = (plan.kerb(side) - side * 0.1, side * 80.0)
        _paint_strip(scenery, span, (start, end), asphalt, SceneClass.ROAD)
    _paint_repairs(scenery, plan, asphalt)
    _paint_markings(scenery, plan)
    for side in (-1, 1):
        _paint_kerb(scenery, plan, side)


def _paint_strip(
    scenery: Scenery,
    x_span: tuple[float, float],
    z_span: tuple[float, float],
    paint: RGB,
    label: SceneClass | None = None,
) -> None:
    """Paints a flat rectangle given in metres."""
    (x0, x1), (z0, z1) = x_span, z_span
    project = scenery.camera.project
    corners = [project(x0, 0, z0), project(x1, 0, z0), project(x1, 0, z1), project(x0, 0, z1)]
    scenery.canvas.polygon(corners, scenery.light.shade(paint, 1.0, (z0 + z1) / 2), label)


def _paint_joints(scenery: Scenery, plan: StreetPlan, flag: RGB) -> None:
    """Draws the joints between the flagstones of both pavements."""
    joint: RGB = (flag[0] - 34, flag[1] - 34, flag[2] - 34)
    project, canvas = scenery.camera.project, scenery.canvas
    step = scenery.rng.uniform(0.6, 0.95)
    for side in (-1, 1):
        inner, outer = plan.kerb(side), plan.frontage(side) + side * 0.5
        z = 1.6
        while z < 24.0:
            rgb = scenery.light.shade(joint, 1.0, z)
            canvas.line([project(inner, 0, z), project(outer, 0, z)], rgb, 14.0 / z)
            z += step if z < 10.0 else step * 2.0
        rows = max(2, int(abs(outer - inner) / step))
        for row in range(1, rows):
            x = inner + (outer - inner) * row / rows
            canvas.line([project(x, 0, 1.0), project(x, 0, 16.0)], scenery.light.shade(joint), 2)


def _paint_kerb(scenery: Scenery, plan: StreetPlan, side: int) -> None:
    """Draws the pale kerbstone and the dark gutter beside it, broken by a side street."""
    x = plan.kerb(side)
    spans = [(0.8, plan.length_m)]
    if plan.junction_m is not None and plan.junction_m[0] == side:
        spans = [(0.8, plan.junction_m[1]), (plan.junction_m[2], plan.length_m)]
    for span in spans:
        _paint_strip(scenery, (x - side * 0.14, x), span, (62, 62, 64))
        _paint_strip(scenery, (x, x + side * 0.2), span, (196, 194, 188), SceneClass.PAVEMENT)


def _paint_repairs(scenery: Scenery, plan: StreetPlan, asphalt: RGB) -> None:
    """Wears the road: the polish of tyres, repairs and manholes."""
    rng, half = scenery.rng, plan.half_road_m
    for x in (plan.lane(-1), plan.lane(1)):  # the polish of passing tyres
        tone: RGB = (asphalt[0] + 4, asphalt[1] + 4, asphalt[2] + 4)
        for track in (-0.75, 0.75):
            _paint_strip(scenery, (x + track - 0.2, x + track + 0.2), (1.0, 40.0), tone)
    for _ in range(int(rng.integers(2, 6))):
        x, z, shift = rng.uniform(-half, half * 0.6), rng.uniform(3.0, 22.0), rng.uniform(-14, 12)
        patch: RGB = (int(asphalt[0] + shift), int(asphalt[1] + shift), int(asphalt[2] + shift))
        right = min(x + rng.uniform(0.6, 2.2), half)
        _paint_strip(scenery, (x, right), (z, z + rng.uniform(1.0, 7.0)), patch)
    for _ in range(int(rng.integers(0, 3))):
        x, z = rng.uniform(-half * 0.8, half * 0.8), rng.uniform(4.0, 16.0)
        u, v = scenery.camera.project(x, 0, z)
        wide = 0.35 * scenery.camera.scale_at(z)
        rgb = scenery.light.shade((58, 56, 56), 1.0, z)
        scenery.canvas.ellipse((u, v), (wide, wide * scenery.camera.height_m / z), rgb)


def _paint_markings(scenery: Scenery, plan: StreetPlan) -> None:
    """Draws the centre line, the lines at the kerb, and now and then a crossing."""
    rng = scenery.rng
    dash, gap = (rng.uniform(1.5, 4.0), rng.uniform(1.5, 5.0))
    z = rng.uniform(1.0, 4.0)
    solid = rng.random() < 0.15
    while z < plan.length_m:
        end = min(z + dash + (gap if solid else 0.0), plan.length_m)
        _paint_strip(scenery, (-0.07, 0.07), (z, end), PAINT)
        z += dash + gap
    edge = rng.random()
    for side in (-1, 1):
        x = plan.kerb(side)
        if edge < 0.45:
            for offset in (0.28, 0.5):
                inner = x - side * offset
                _paint_strip(scenery, (inner, inner - side * 0.1), (0.8, plan.length_m), YELLOW)
        elif edge < 0.7:
            inner = x - side * 0.35
            _paint_strip(scenery, (inner, inner - side * 0.12), (0.8, plan.length_m), PAINT)
    kind = rng.random()
    if kind < 0.2:
        _paint_zebra(scenery, plan, rng.uniform(8.0, 18.0))
    elif kind < 0.45:
        _paint_arrow(scenery, plan.lane(plan.drive_side), rng.uniform(6.0, 13.0))


def _paint_zebra(scenery: Scenery, plan: StreetPlan, z: float) -> None:
    """Draws a zebra crossing over the whole road."""
    x = -plan.half_road_m + 0.4
    while x < plan.half_road_m - 0.6:
        _paint_strip(scenery, (x, x + 0.5), (z, z + 2.6), PAINT)
        x += 1.0


def _paint_arrow(scenery: Scenery, x: float, z: float) -> None:
    """Draws a straight-on arrow in a lane."""
    _paint_strip(scenery, (x - 0.09, x + 0.09), (z, z + 2.2), PAINT)
    project = scenery.camera.project
    head = [project(x - 0.4, 0, z + 2.1), project(x + 0.4, 0, z + 2.1), project(x, 0, z + 3.6)]
    scenery.canvas.polygon(head, scenery.light.shade(PAINT, 1.0, z))
