"""Pedestrians, and cyclists with their bikes, drawn as upright figures in their own metres."""

from math import cos, pi, sin

from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Billboard, Scenery, stand_billboard

PEDESTRIAN, BICYCLIST = SceneClass.PEDESTRIAN, SceneClass.BICYCLIST
SKINS: tuple[RGB, ...] = ((224, 178, 148), (196, 142, 112), (126, 86, 64), (240, 200, 172))
COATS: tuple[RGB, ...] = (
    (40, 44, 62),
    (120, 34, 40),
    (52, 52, 54),
    (66, 92, 132),
    (150, 128, 96),
    (198, 192, 184),
    (72, 84, 58),
)
TROUSERS: tuple[RGB, ...] = ((42, 48, 70), (34, 34, 36), (88, 78, 66), (62, 66, 72))
HAIRS: tuple[RGB, ...] = ((40, 30, 24), (86, 62, 40), (150, 120, 76), (110, 108, 106))
JERSEYS: tuple[RGB, ...] = ((222, 240, 60), (244, 120, 30), (30, 150, 210), (210, 40, 70))
HELMETS: tuple[RGB, ...] = ((238, 238, 240), (210, 32, 40), (30, 32, 36), (40, 120, 200))
FRAMES: tuple[RGB, ...] = ((170, 24, 30), (24, 26, 30), (28, 70, 150), (190, 192, 196))


def _limb(
    scenery: Scenery,
    board: Billboard,
    joints: tuple[tuple[float, float], ...],
    thick_m: float,
    rgb: RGB,
    label: SceneClass,
) -> None:
    """Draws a limb through its joints, rounded at each."""
    width = thick_m * board.scale
    points = [board.at(*joint) for joint in joints]
    scenery.canvas.line(points, rgb, width, label)
    for point in points:
        scenery.canvas.ellipse(point, (width / 2, width / 2), rgb, label)


def _head(
    scenery: Scenery, board: Billboard, x: float, y: float, cap: RGB, label: SceneClass
) -> None:
    """Draws a head: hair or helmet above, a face below."""
    size = 0.125 * board.scale
    skin = scenery.light.shade(scenery.pick(SKINS), 0.95, board.depth_m)
    scenery.canvas.ellipse(
        board.at(x, y + 0.03),
        (size, size * 1.15),
        scenery.light.shade(cap, 1.0, board.depth_m),
        label,
    )
    scenery.canvas.ellipse(board.at(x, y - 0.03), (size * 0.72, size * 0.85), skin, label)


def paint_pedestrian(scenery: Scenery, x_m: float, z_m: float) -> None:
    """Paints a standing or walking person at (x, z) metres."""
    rng = scenery.rng
    board = stand_billboard(scenery.camera, x_m, z_m)
    tall = rng.uniform(0.92, 1.1)
    board = Billboard(board.foot, board.scale * tall, z_m)
    shade = scenery.light.shade
    legs = shade(scenery.pick(TROUSERS), 1.0, z_m)
    chosen = scenery.pick(COATS, 16)
    coat, fold = shade(chosen, 1.0, z_m), shade(chosen, 0.75, z_m)
    stride, long_coat = rng.uniform(0.05, 0.32), rng.random() < 0.35
    scenery.cast_shadow(x_m - 0.25, x_m + 0.25, z_m - 0.25, z_m + 0.25, 0.45)
    for way in (-1.0, 1.0):
        foot = (way * (0.08 + stride), 0.04)
        knee = (way * (0.09 + stride * 0.5), 0.45)
        _limb(scenery, board, ((way * 0.09, 0.88), knee, foot), 0.17, legs, PEDESTRIAN)
        shoe = (foot[0] + 0.04, 0.05)
        radii = (0.12 * board.scale, 0.055 * board.scale)
        scenery.canvas.ellipse(board.at(*shoe), radii, shade((30, 26, 24), 1.0, z_m), PEDESTRIAN)
    hem = 0.5 if long_coat else 0.82
    swing = rng.uniform(0.0, 0.16)
    _limb(
        scenery, board, ((-0.22, 1.38), (-0.29, 1.1), (-0.26 - swing, 0.86)), 0.11, fold, PEDESTRIAN
    )
    torso = [
        board.at(-0.19, hem),
        board.at(0.19, hem),
        board.at(0.25, 1.36),
        board.at(0.13, 1.47),
        board.at(-0.13, 1.47),
        board.at(-0.25, 1.36),
    ]
    scenery.canvas.polygon(torso, coat, PEDESTRIAN)
    scenery.canvas.line([board.at(0, hem), board.at(0, 1.4)], fold, 0.025 * board.scale)
    _limb(scenery, board, ((0.22, 1.38), (0.29, 1.1), (0.26 + swing, 0.86)), 0.11, fold, PEDESTRIAN)
    if rng.random() < 0.35:
        bag = board.box(0.2 + swing, 0.46 + swing, 0.5, 0.84)
        scenery.canvas.polygon(bag, shade(scenery.pick(COATS, 30), 1.0, z_m), PEDESTRIAN)
    _head(scenery, board, 0.0, 1.6, scenery.pick(HAIRS), PEDESTRIAN)


def paint_cyclist(scenery: Scenery, x_m: float, z_m: float, facing: int) -> None:
    """Paints a cyclist: facing 0 rides along the street, -1 and +1 show the side view."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    scenery.cast_shadow(x_m - 0.5, x_m + 0.5, z_m - 0.2, z_m + 0.3, 0.4)
    if facing == 0:
        _paint_cyclist_from_behind(scenery, board)
    else:
        _paint_cyclist_from_side(scenery, board, float(facing))


def _paint_wheel(scenery: Scenery, board: Billboard, x: float) -> None:
    """Draws a spoked wheel; the class covers the whole disc, as CamVid labels it."""
    canvas, shade, z = scenery.canvas, scenery.light.shade, board.depth_m
    radius = 0.36 * board.scale
    centre = board.at(x, 0.36)
    canvas.label_ellipse(centre, (radius, radius), BICYCLIST)
    spoke = shade((120, 122, 124), 1.0, z)
    for step in range(6):
        angle = pi * step / 6
        du, dv = radius * cos(angle), radius * sin(angle)
        ends = [(centre[0] - du, centre[1] - dv), (centre[0] + du, centre[1] + dv)]
        canvas.line(ends, spoke, 0.012 * board.scale)
    rim = [
        (centre[0] + radius * cos(pi * step / 12), centre[1] + radius * sin(pi * step / 12))
        for step in range(25)
    ]
    canvas.line(rim, shade((24, 24, 26), 1.0, z), 0.06 * board.scale, BICYCLIST)


def _paint_cyclist_from_side(scenery: Scenery, board: Billboard, way: float) -> None:
    """Paints bike and rider in profile, riding to the left (way -1) or to the right (+1)."""
    shade, z, rng = scenery.light.shade, board.depth_m, scenery.rng
    for x in (-0.53, 0.53):
        _paint_wheel(scenery, board, x)

    def joints(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
        return tuple((way * x, y) for x, y in points)

    frame = shade(scenery.pick(FRAMES), 1.0, z)
    tubes = (
        joints((-0.53, 0.36), (-0.2, 0.85), (0.42, 0.82), (0.53, 0.36)),
        joints((-0.53, 0.36), (-0.05, 0.34), (0.42, 0.82), (0.44, 1.02)),
        joints((-0.05, 0.34), (-0.22, 0.95)),
    )
    for tube in tubes:
        _limb(scenery, board, tube, 0.055, frame, BICYCLIST)
    legs = shade(scenery.pick(TROUSERS), 1.0, z)
    jersey = scenery.pick(JERSEYS if rng.random() < 0.7 else COATS)
    top, sleeve = shade(jersey, 1.0, z), shade(jersey, 0.78, z)
    pedal = rng.uniform(-0.12, 0.16)
    _limb(
        scenery,
        board,
        joints((-0.2, 0.98), (0.2, 0.72), (-0.05 + pedal, 0.3)),
        0.15,
        legs,
        BICYCLIST,
    )
    _limb(
        scenery,
        board,
        joints((-0.2, 0.98), (0.1, 0.62), (-0.1 - pedal, 0.24)),
        0.13,
        legs,
        BICYCLIST,
    )
    _limb(scenery, board, joints((-0.2, 1.02), (0.12, 1.42)), 0.29, top, BICYCLIST)
    _limb(scenery, board, joints((0.14, 1.42), (0.34, 1.16), (0.46, 1.06)), 0.1, sleeve, BICYCLIST)
    _head(scenery, board, way * 0.26, 1.68, scenery.pick(HELMETS), BICYCLIST)


def _paint_cyclist_from_behind(scenery: Scenery, board: Billboard) -> None:
    """Paints a rider ahead on the road: narrow wheel, legs, back, bars and helmet."""
    shade, z, rng = scenery.light.shade, board.depth_m, scenery.rng
    canvas = scenery.canvas
    tyre = shade((24, 24, 26), 1.0, z)
    radii = (0.07 * board.scale, 0.36 * board.scale)
    canvas.ellipse(board.at(0, 0.36), radii, tyre, BICYCLIST)
    bars = shade((30, 30, 32), 1.0, z)
    _limb(scenery, board, ((-0.34, 1.04), (0.34, 1.04)), 0.06, bars, BICYCLIST)
    legs = shade(scenery.pick(TROUSERS), 1.0, z)
    lift = rng.uniform(-0.14, 0.14)
    for way in (-1.0, 1.0):
        foot = (way * 0.15, 0.3 + way * lift)
        _limb(scenery, board, ((way * 0.12, 0.95), (way * 0.17, 0.62), foot), 0.16, legs, BICYCLIST)
    jersey = scenery.pick(JERSEYS if rng.random() < 0.7 else COATS)
    top, sleeve = shade(jersey, 1.0, z), shade(jersey, 0.78, z)
    for way in (-1.0, 1.0):
        arm = ((way * 0.22, 1.42), (way * 0.36, 1.2), (way * 0.32, 1.04))
        _limb(scenery, board, arm, 0.11, sleeve, BICYCLIST)
    back = [
        board.at(-0.18, 0.9),
        board.at(0.18, 0.9),
        board.at(0.24, 1.4),
        board.at(0.12, 1.52),
        board.at(-0.12, 1.52),
        board.at(-0.24, 1.4),
    ]
    canvas.polygon(back, top, BICYCLIST)
    saddle = (0.13 * board.scale, 0.06 * board.scale)
    canvas.ellipse(board.at(0, 0.9), saddle, shade((26, 24, 24), 1.0, z), BICYCLIST)
    lamp = (0.05 * board.scale, 0.05 * board.scale)
    canvas.ellipse(board.at(0, 0.72), lamp, (220, 30, 30), BICYCLIST)
    _head(scenery, board, 0.0, 1.66, scenery.pick(HELMETS), BICYCLIST)
