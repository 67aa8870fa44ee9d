"""Street furniture: lamp columns, bollards, signs, traffic lights, fences and railings.

Columns are widened where perspective would make them thinner than `THINNEST_PX`, so that they can be seen and learned.
"""

from math import cos, pi, sin

from edge_deeplab.data.rendered.camera import Point
from edge_deeplab.data.rendered.canvas import SUPERSAMPLE
from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Billboard, Scenery, stand_billboard

POLE, SIGN, FENCE = SceneClass.POLE, SceneClass.SIGN, SceneClass.FENCE
THINNEST_PX = 2.4
STEELS: tuple[RGB, ...] = ((92, 96, 98), (58, 64, 62), (132, 134, 134), (40, 44, 46), (76, 92, 84))
RED: RGB = (206, 30, 36)
BLUE: RGB = (24, 80, 178)
GREEN: RGB = (16, 104, 66)
WHITE: RGB = (240, 240, 238)
BOARDS: tuple[RGB, ...] = ((134, 98, 66), (112, 80, 56), (150, 118, 84))
RAILS: tuple[RGB, ...] = ((38, 42, 44), (150, 154, 156), (44, 66, 56))


def _paint_column(
    scenery: Scenery, board: Billboard, width_m: float, top_m: float, paint: RGB
) -> None:
    """Paints an upright column with a lit and a shaded half."""
    half = max(width_m * board.scale, THINNEST_PX * SUPERSAMPLE) / 2
    (u, v), (_, top) = board.foot, board.at(0, top_m)
    rgb = scenery.light.shade(paint, 1.0, board.depth_m)
    scenery.canvas.polygon(
        [(u - half, v), (u + half, v), (u + half, top), (u - half, top)], rgb, POLE
    )
    edge = scenery.light.shade(paint, 1.35, board.depth_m)
    sunny = u + half * 0.5 * scenery.light.sun_side
    scenery.canvas.line([(sunny, v), (sunny, top)], edge, half * 0.5)


def paint_lamp(scenery: Scenery, x_m: float, z_m: float, arm_m: float) -> None:
    """Paints a lamp column whose arm reaches `arm_m` metres over the road (signed)."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    paint, height = scenery.pick(STEELS), scenery.rng.uniform(6.0, 8.5)
    scenery.cast_shadow(
        x_m, x_m - scenery.light.sun_side * 4, z_m, z_m + 0.2, scenery.light.shadow * 0.8
    )
    _paint_column(scenery, board, 0.17, height, paint)
    _paint_column(scenery, board, 0.28, 1.3, paint)
    thick = max(0.11 * board.scale, THINNEST_PX * SUPERSAMPLE)
    rgb = scenery.light.shade(paint, 1.0, board.depth_m)
    tip = board.at(arm_m, height + 0.35)
    scenery.canvas.line([board.at(0, height - 0.05), tip], rgb, thick, POLE)
    lamp = (255, 226, 160) if scenery.light.weather.glow else scenery.light.shade((206, 206, 200))
    scenery.canvas.ellipse(tip, (0.34 * board.scale, 0.13 * board.scale), lamp, POLE)


def paint_bollard(scenery: Scenery, x_m: float, z_m: float) -> None:
    """Paints a waist-high bollard with a pale band."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    _paint_column(scenery, board, 0.17, 1.0, (46, 46, 48))
    half = max(0.17 * board.scale, THINNEST_PX * SUPERSAMPLE) / 2
    _, low = board.at(0, 0.78)
    _, high = board.at(0, 0.9)
    u = board.foot[0]
    band = scenery.light.shade((214, 210, 196), 1.0, z_m)
    scenery.canvas.polygon(
        [(u - half, low), (u + half, low), (u + half, high), (u - half, high)], band
    )


def paint_sign(scenery: Scenery, x_m: float, z_m: float) -> None:
    """Paints a traffic sign on its post: roundel, triangle, disc, plate or direction board."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    height = scenery.rng.uniform(2.4, 3.0)
    _paint_column(scenery, board, 0.1, height, scenery.pick(STEELS))
    kind = int(scenery.rng.integers(0, 6))
    if kind <= 1:
        _paint_roundel(scenery, board, height, ring=RED if kind == 0 else BLUE)
    elif kind == 2:
        _paint_triangle(scenery, board, height)
    else:
        _paint_plate(scenery, board, height, (BLUE, GREEN, WHITE)[kind - 3])


def _paint_roundel(scenery: Scenery, board: Billboard, height: float, ring: RGB) -> None:
    """Paints a round sign: a red ring around white, or a blue disc with a pale arrow."""
    shade, z = scenery.light.shade, board.depth_m
    centre, radius = board.at(0, height), 0.46 * board.scale
    scenery.canvas.ellipse(centre, (radius, radius), shade(ring, 1.05, z), SIGN)
    if ring == RED:
        scenery.canvas.ellipse(centre, (radius * 0.7, radius * 0.7), shade(WHITE, 1.0, z))
        digits = board.box(-0.16, 0.16, height - 0.14, height + 0.14)
        scenery.canvas.polygon(digits, shade((30, 30, 32), 1.0, z))
    else:
        arrow = [
            board.at(-0.26, height - 0.1),
            board.at(0.26, height),
            board.at(-0.26, height + 0.1),
        ]
        scenery.canvas.polygon(arrow, shade(WHITE, 1.0, z))


def _paint_triangle(scenery: Scenery, board: Billboard, height: float) -> None:
    """Paints a warning triangle."""
    for size, paint, label in ((0.56, RED, SIGN), (0.36, WHITE, None)):
        corners: list[Point] = [
            board.at(cos(angle) * size, height + sin(angle) * size)
            for angle in (pi / 2, pi / 2 + 2 * pi / 3, pi / 2 + 4 * pi / 3)
        ]
        scenery.canvas.polygon(corners, scenery.light.shade(paint, 1.05, board.depth_m), label)
    mark = board.box(-0.05, 0.05, height - 0.12, height + 0.14)
    scenery.canvas.polygon(mark, scenery.light.shade((30, 30, 32), 1.0, board.depth_m))


def _paint_plate(scenery: Scenery, board: Billboard, height: float, paint: RGB) -> None:
    """Paints a rectangular board with lines of lettering."""
    shade, z, canvas = scenery.light.shade, board.depth_m, scenery.canvas
    wide, high = scenery.rng.uniform(0.35, 0.75), scenery.rng.uniform(0.3, 0.55)
    ink = (36, 36, 40) if paint == WHITE else WHITE
    canvas.polygon(board.box(-wide, wide, height - high, height + high), shade(ink, 1.0, z), SIGN)
    inner = board.box(-wide + 0.06, wide - 0.06, height - high + 0.06, height + high - 0.06)
    canvas.polygon(inner, shade(paint, 1.05, z))
    for row in range(2):
        y = height - high * 0.5 + row * high * 0.7
        canvas.polygon(board.box(-wide * 0.7, wide * 0.55, y, y + high * 0.28), shade(ink, 1.0, z))


def paint_traffic_light(scenery: Scenery, x_m: float, z_m: float) -> None:
    """Paints a traffic light: its head counts as sign, its post as pole."""
    board = stand_billboard(scenery.camera, x_m, z_m)
    shade, canvas = scenery.light.shade, scenery.canvas
    _paint_column(scenery, board, 0.12, 2.7, scenery.pick(STEELS))
    canvas.polygon(board.box(-0.3, 0.3, 2.3, 3.65), shade((226, 226, 222), 1.0, z_m), SIGN)
    canvas.polygon(board.box(-0.25, 0.25, 2.35, 3.6), shade((22, 22, 24), 1.0, z_m))
    lit = int(scenery.rng.integers(0, 3))
    lamps: tuple[RGB, ...] = ((40, 240, 130), (255, 180, 40), (255, 50, 40))
    for index, lamp in enumerate(lamps):
        rgb = lamp if index == lit else shade((lamp[0] // 5, lamp[1] // 5, lamp[2] // 5))
        radius = 0.16 * board.scale
        canvas.ellipse(board.at(0, 2.58 + 0.4 * index), (radius, radius), rgb)


def paint_board_fence(
    scenery: Scenery, x_m: float, z_span: tuple[float, float], height_m: float, paint: RGB
) -> None:
    """Paints a stretch of close-boarded timber fence along the street."""
    camera, canvas, light = scenery.camera, scenery.canvas, scenery.light
    near, far = z_span
    z = far
    while z > near:
        start = max(near, z - (0.3 if z < 20.0 else 0.8))
        tone = light.wall(1 if x_m > 0 else -1) * scenery.rng.uniform(0.82, 1.08)
        board = _upright(scenery, x_m, start, z, (0.0, height_m))
        canvas.polygon(board, light.shade(paint, tone, z), FENCE)
        if z < 30:
            gap = light.shade(paint, tone * 0.5, z)
            foot, head = camera.project(x_m, 0, z), camera.project(x_m, height_m, z)
            canvas.line([foot, head], gap, 30.0 / z, FENCE)
        z = start
    rail = _upright(scenery, x_m, near, far, (height_m * 0.93, height_m * 1.02))
    canvas.polygon(rail, light.shade(paint, 0.75, (near + far) / 2), FENCE)


def paint_railing(
    scenery: Scenery, x_m: float, z_span: tuple[float, float], height_m: float, paint: RGB
) -> None:
    """Paints a stretch of metal railing: bars and rails seen through, labelled as one sheet as CamVid does."""
    canvas, light, camera = scenery.canvas, scenery.light, scenery.camera
    near, far = z_span
    canvas.label_polygon(_upright(scenery, x_m, near, far, (0.0, height_m)), FENCE)
    z, step = far, 0.14 if near < 14 else 0.22
    while z >= near:
        rgb = light.shade(paint, 1.0, z)
        bar = [camera.project(x_m, 0.06, z), camera.project(x_m, height_m, z)]
        canvas.line(bar, rgb, max(1.6, 0.05 * camera.scale_at(z)), FENCE)
        z -= step
    for low, high in ((0.1, 0.17), (height_m - 0.1, height_m)):
        rail = _upright(scenery, x_m, near, far, (low, high))
        canvas.polygon(rail, light.shade(paint, 1.12, (near + far) / 2), FENCE)


def _upright(
    scenery: Scenery, x_m: float, z0: float, z1: float, y_span: tuple[float, float]
) -> list[Point]:
    """Gives the corners of an upright rectangle along the street."""
    project, (low, high) = scenery.camera.project, y_span
    return [
        project(x_m, low, z0),
        project(x_m, low, z1),
        project(x_m, high, z1),
        project(x_m, high, z0),
    ]
