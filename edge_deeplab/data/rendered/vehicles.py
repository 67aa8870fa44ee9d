"""Cars, vans and buses: side profiles swept across the width, turned, and shown by the faces that look at the camera.

A shape is a table: the profile of the body, the profile of the cabin on it, and the decals (windows, lights, plates)
given in metres on the side, the rear or the front.
"""

from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal

from edge_deeplab.data.rendered.camera import Camera, Point
from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Scenery

CAR = SceneClass.CAR
NEAREST_M = 2.5  # clear space between the camera and a vehicle's near end
Profile = tuple[
    tuple[float, float], ...
]  # (metres forward, metres up), from rear bottom over the top
PAINTS: tuple[RGB, ...] = (
    (168, 172, 178),
    (38, 40, 46),
    (150, 28, 34),
    (40, 62, 118),
    (222, 222, 220),
    (92, 98, 106),
    (36, 74, 62),
    (60, 92, 146),
)
BUS_PAINTS: tuple[RGB, ...] = ((186, 32, 34), (44, 96, 160), (214, 206, 178))
WINDOW: RGB = (46, 52, 60)
RED_LAMP: RGB = (196, 26, 28)
HEAD_LAMP: RGB = (236, 236, 226)
TYRE: RGB = (26, 26, 28)
CHROME: RGB = (70, 72, 76)
PLATE: RGB = (232, 226, 190)


@dataclass(frozen=True, slots=True)
class Decal:
    """A rectangle on a face: `across` is metres forward on the side, metres to the right on the ends."""

    face: Literal["side", "rear", "front"]
    across: tuple[float, float]
    up: tuple[float, float]
    paint: RGB
    glows: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of vehicle in metres."""

    half_width: float
    body: Profile
    cabin: Profile
    wheels: tuple[float, ...]
    wheel_radius: float
    decals: tuple[Decal, ...]

    @property
    def half_length(self) -> float:
        """Half the length in metres."""
        return max(abs(forward) for forward, _ in self.body)


def _lamps(half_width: float, low: float, high: float, wide: float = 0.3) -> tuple[Decal, ...]:
    """Gives the lamps, plates and bumpers that every vehicle has."""
    inner = half_width - wide - 0.05
    outer = half_width - 0.05
    return (
        Decal("rear", (-half_width, half_width), (0.36, 0.52), CHROME),
        Decal("rear", (-outer, -inner), (low, high), RED_LAMP, True),
        Decal("rear", (inner, outer), (low, high), RED_LAMP, True),
        Decal("rear", (-0.27, 0.27), (0.56, 0.68), PLATE),
        Decal("front", (-half_width, half_width), (0.34, 0.46), CHROME),
        Decal("front", (-inner + 0.1, inner - 0.1), (0.5, 0.62), (34, 34, 36)),
        Decal("front", (-outer, -inner), (0.52, 0.7), HEAD_LAMP, True),
        Decal("front", (inner, outer), (0.52, 0.7), HEAD_LAMP, True),
        Decal("front", (-0.27, 0.27), (0.36, 0.46), PLATE),
    )


SHAPES: dict[str, Shape] = {
    "hatchback": Shape(
        half_width=0.86,
        body=((-1.95, 0.3), (-2.0, 0.6), (-1.9, 0.94), (1.0, 0.94), (1.85, 0.76), (1.98, 0.3)),
        cabin=((-1.85, 0.92), (-1.4, 1.44), (0.2, 1.48), (1.05, 0.92)),
        wheels=(-1.25, 1.25),
        wheel_radius=0.32,
        decals=_lamps(0.86, 0.66, 0.9),
    ),
    "saloon": Shape(
        half_width=0.9,
        body=((-2.25, 0.3), (-2.3, 0.6), (-2.2, 0.92), (1.2, 0.92), (2.15, 0.74), (2.28, 0.3)),
        cabin=((-1.7, 0.9), (-1.05, 1.38), (0.3, 1.42), (1.2, 0.9)),
        wheels=(-1.4, 1.4),
        wheel_radius=0.33,
        decals=_lamps(0.9, 0.66, 0.86, 0.36),
    ),
    "estate": Shape(
        half_width=0.95,
        body=((-2.25, 0.36), (-2.3, 0.7), (-2.25, 1.06), (1.1, 1.06), (2.1, 0.9), (2.25, 0.36)),
        cabin=((-2.2, 1.04), (-1.95, 1.68), (0.2, 1.72), (1.15, 1.04)),
        wheels=(-1.4, 1.4),
        wheel_radius=0.38,
        decals=_lamps(0.95, 0.76, 1.04, 0.24),
    ),
    "van": Shape(
        half_width=1.0,
        body=(
            (-2.5, 0.36),
            (-2.55, 1.2),
            (-2.45, 2.2),
            (1.1, 2.2),
            (1.9, 1.25),
            (2.5, 1.0),
            (2.55, 0.36),
        ),
        cabin=(),
        wheels=(-1.6, 1.6),
        wheel_radius=0.36,
        decals=(
            *_lamps(1.0, 0.8, 1.2, 0.18),
            Decal("rear", (-0.85, -0.06), (1.35, 1.95), WINDOW),
            Decal("rear", (0.06, 0.85), (1.35, 1.95), WINDOW),
            Decal("side", (0.3, 1.2), (1.25, 1.85), WINDOW),
        ),
    ),
    "bus": Shape(
        half_width=1.25,
        body=((-4.6, 0.4), (-4.7, 1.0), (-4.6, 3.9), (4.5, 3.9), (4.7, 1.0), (4.7, 0.4)),
        cabin=(),
        wheels=(-2.8, 2.8),
        wheel_radius=0.48,
        decals=(
            *_lamps(1.25, 0.9, 1.25, 0.2),
            Decal("rear", (-1.05, 1.05), (1.5, 2.1), WINDOW),
            Decal("rear", (-1.05, 1.05), (2.75, 3.5), WINDOW),
            Decal("front", (-1.1, 1.1), (1.0, 2.1), WINDOW),
            Decal("front", (-1.05, 1.05), (2.75, 3.5), WINDOW),
            Decal("front", (-0.8, 0.8), (2.2, 2.5), (20, 20, 20)),
            Decal("side", (-4.3, 4.3), (1.3, 2.0), WINDOW),
            Decal("side", (-4.3, 4.3), (2.75, 3.4), WINDOW),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a vehicle stands: `heading` 0 shows its rear, pi its front (radians)."""

    camera: Camera
    x_m: float
    z_m: float
    heading: float

    def at(self, across: float, forward: float, up: float) -> Point:
        """Gives the canvas point of a point in the vehicle's own metres."""
        turn, lean = cos(self.heading), sin(self.heading)
        return self.camera.project(
            self.x_m + across * turn + forward * lean, up, self.z_m - across * lean + forward * turn
        )


def paint_vehicle(
    scenery: Scenery, kind: str, x_m: float, z_m: float, heading: float, paint: RGB | None = None
) -> None:
    """Paints a vehicle.

    Args:
        scenery: the scene.
        kind: a key of `SHAPES`.
        x_m: metres across, of its middle.
        z_m: metres ahead, of its middle.
        heading: radians; 0 drives away from the camera, pi towards it.
        paint: body colour; drawn when None.
    """
    shape, pose = SHAPES[kind], Pose(scenery.camera, x_m, z_m, heading)
    chosen = paint or scenery.pick(BUS_PAINTS if kind == "bus" else PAINTS)
    _lay_shadow(scenery, shape, pose)
    _paint_underside(scenery, shape, pose)
    visible = _paint_prism(scenery, pose, shape.body, (shape.half_width, shape.half_width), chosen)
    if shape.cabin:
        taper = (shape.half_width * 0.95, shape.half_width * 0.74)
        _paint_prism(scenery, pose, shape.cabin, taper, chosen, glazed=True)
    elif kind == "van" and "front" in visible:
        _paint_windscreen(scenery, shape, pose)
    for side in ("left", "right"):
        if side in visible:
            _paint_side(scenery, shape, pose, -1.0 if side == "left" else 1.0)
    for decal in shape.decals:
        if decal.face in visible:
            _paint_end_decal(scenery, shape, pose, decal)


def _lay_shadow(scenery: Scenery, shape: Shape, pose: Pose) -> None:
    """Darkens the ground under and beside the vehicle."""
    rear, front = shape.body[0][0], shape.body[-1][0]
    for grow, strength in ((0.25, 90), (0.0, 190)):
        half = shape.half_width + grow
        corners = [
            pose.at(-half, rear - grow, 0),
            pose.at(half, rear - grow, 0),
            pose.at(half, front + grow, 0),
            pose.at(-half, front + grow, 0),
        ]
        scenery.canvas.shadow(corners, strength)


def _paint_underside(scenery: Scenery, shape: Shape, pose: Pose) -> None:
    """Paints the tyres as seen from the end that faces the camera, and the dark between them."""
    rgb = scenery.light.shade(TYRE, 0.8, pose.z_m)
    for forward in shape.wheels:
        for side in (-1.0, 1.0):
            outer, inner = side * shape.half_width, side * (shape.half_width - 0.24)
            low, high = 0.0, shape.wheel_radius * 1.4
            tyre = [
                pose.at(outer, forward, low),
                pose.at(inner, forward, low),
                pose.at(inner, forward, high),
                pose.at(outer, forward, high),
            ]
            scenery.canvas.polygon(tyre, rgb, CAR)
    rear, front = shape.body[0][0] * 0.9, shape.body[-1][0] * 0.9
    half, floor = shape.half_width * 0.95, 0.2
    for forward in (front, rear):
        skirt = [
            pose.at(-half, forward, floor),
            pose.at(half, forward, floor),
            pose.at(half, forward, 0.5),
            pose.at(-half, forward, 0.5),
        ]
        scenery.canvas.polygon(skirt, rgb, CAR)
    for side in (-half, half):
        sill = [
            pose.at(side, rear, floor),
            pose.at(side, front, floor),
            pose.at(side, front, 0.5),
            pose.at(side, rear, 0.5),
        ]
        scenery.canvas.polygon(sill, rgb, CAR)


def _turns_clockwise(points: list[Point]) -> bool:
    """Tells whether a projected polygon runs clockwise as seen in the picture."""
    area = 0.0
    for (u0, v0), (u1, v1) in zip(points, points[1:] + points[:1], strict=True):
        area += u0 * v1 - u1 * v0
    return area > 0


def _paint_prism(
    scenery: Scenery,
    pose: Pose,
    profile: Profile,
    half_widths: tuple[float, float],
    paint: RGB,
    glazed: bool = False,
) -> set[str]:
    """Paints a swept profile and gives the names of the faces that show.

    The half width falls from the first to the second value between the lowest and the highest point of the profile,
    which leans the sides of a cabin inwards.
    """
    low, high = min(y for _, y in profile), max(y for _, y in profile)
    spread = [
        half_widths[0] + (half_widths[1] - half_widths[0]) * (y - low) / (high - low)
        for _, y in profile
    ]
    right = [pose.at(w, b, y) for w, (b, y) in zip(spread, profile, strict=True)]
    left = [pose.at(-w, b, y) for w, (b, y) in zip(spread, profile, strict=True)]
    shade, z, light = scenery.light.shade, pose.z_m, scenery.light
    visible: set[str] = set()
    last = len(profile) - 2
    for index in range(last + 1):
        strip = [left[index], right[index], right[index + 1], left[index + 1]]
        if _turns_clockwise(strip):
            continue
        upright = abs(profile[index + 1][1] - profile[index][1]) > 0.15
        scenery.canvas.polygon(strip, shade(paint, 0.86 if upright else 1.15, z), CAR)
        if index == 0:
            visible.add("rear")
        if index == last:
            visible.add("front")
        if glazed and upright:
            scenery.canvas.polygon(_inset(strip, 0.84), shade(WINDOW, 1.0, z), CAR)
    for name, face, clockwise in (("right", right, True), ("left", left, False)):
        if _turns_clockwise(face) is clockwise:
            visible.add(name)
            lit = light.wall(-1 if (name == "right") == (cos(pose.heading) > 0) else 1)
            scenery.canvas.polygon(face, shade(paint, lit, z), CAR)
            if glazed:
                _paint_side_windows(scenery, face, shade(paint, lit, z), z)
    return visible


def _inset(points: list[Point], share: float) -> list[Point]:
    """Shrinks a polygon towards its middle."""
    u = sum(point[0] for point in points) / len(points)
    v = sum(point[1] for point in points) / len(points)
    return [(u + (a - u) * share, v + (b - v) * share) for a, b in points]


def _paint_side_windows(scenery: Scenery, face: list[Point], pillar: RGB, z: float) -> None:
    """Glazes the side of a cabin and divides it by the middle pillar."""
    glass = _inset(face, 0.83)
    scenery.canvas.polygon(glass, scenery.light.shade(WINDOW, 1.05, z), CAR)
    top = ((glass[1][0] + glass[2][0]) / 2, (glass[1][1] + glass[2][1]) / 2)
    foot = ((glass[0][0] + glass[3][0]) / 2, (glass[0][1] + glass[3][1]) / 2)
    scenery.canvas.line([top, foot], pillar, 0.07 * scenery.camera.scale_at(z), CAR)


def _paint_windscreen(scenery: Scenery, shape: Shape, pose: Pose) -> None:
    """Glazes the slanted front of a van."""
    half = shape.half_width * 0.88
    (high_b, high), (low_b, low) = shape.body[3], shape.body[4]
    screen = [
        pose.at(-half, low_b, low + 0.06),
        pose.at(half, low_b, low + 0.06),
        pose.at(half * 0.95, high_b + 0.1, high - 0.15),
        pose.at(-half * 0.95, high_b + 0.1, high - 0.15),
    ]
    scenery.canvas.polygon(screen, scenery.light.shade(WINDOW, 1.0, pose.z_m), CAR)


def _paint_side(scenery: Scenery, shape: Shape, pose: Pose, side: float) -> None:
    """Adds the wheels, the door seam and the side decals."""
    canvas, shade, z = scenery.canvas, scenery.light.shade, pose.z_m
    across = side * shape.half_width
    for decal in shape.decals:
        if decal.face == "side":
            (b0, b1), (y0, y1) = decal.across, decal.up
            corners = [pose.at(across, b, y) for b, y in ((b0, y0), (b1, y0), (b1, y1), (b0, y1))]
            canvas.polygon(corners, shade(decal.paint, 1.0, z), CAR)
    seam = [pose.at(across, -0.15, 0.4), pose.at(across, -0.15, 0.9)]
    canvas.line(seam, shade(CHROME, 0.8, z), 1, CAR)
    floor = shape.body[0][1]
    for forward in shape.wheels:
        for share, paint in ((1.25, (18, 18, 20)), (1.0, TYRE), (0.6, (150, 152, 154))):
            radius = shape.wheel_radius * share
            rim = [
                pose.at(
                    across * 1.01,
                    forward + radius * cos(pi * step / 8),
                    max(
                        floor if share > 1.0 else 0.0,
                        shape.wheel_radius + radius * sin(pi * step / 8),
                    ),
                )
                for step in range(16)
            ]
            canvas.polygon(rim, shade(paint, 1.0, z), CAR)


def _paint_end_decal(scenery: Scenery, shape: Shape, pose: Pose, decal: Decal) -> None:
    """Paints a lamp, plate or window on the rear or the front."""
    ends = shape.body[:2] if decal.face == "rear" else shape.body[-1:-3:-1]
    if decal.up[1] > ends[1][1]:
        ends = shape.body[1:3] if decal.face == "rear" else shape.body[-2:-4:-1]
    (b0, y0), (b1, y1) = ends

    def corner(across: float, up: float) -> Point:
        share = min(1.0, max(0.0, (up - y0) / (y1 - y0)))
        return pose.at(across, b0 + (b1 - b0) * share, up)

    (left, right), (low, high) = decal.across, decal.up
    corners = [corner(left, low), corner(right, low), corner(right, high), corner(left, high)]
    glowing = decal.glows and scenery.light.weather.glow
    rgb = decal.paint if glowing else scenery.light.shade(decal.paint, 1.0, pose.z_m)
    scenery.canvas.polygon(corners, rgb, CAR)
