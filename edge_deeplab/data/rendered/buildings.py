"""The houses: walls in perspective with storeys of windows, doors, shopfronts, roofs and chimneys.

Every wall is a `Wall`, a sheet of metres that knows how to place itself in the picture; what is drawn on it does not
know whether it runs along the street or faces the camera.
"""

from dataclasses import dataclass

from edge_deeplab.data.rendered.camera import Camera, Point
from edge_deeplab.data.rendered.labels import RGB, SceneClass
from edge_deeplab.data.rendered.scenery import Scenery
from edge_deeplab.data.rendered.street import StreetPlan

BUILDING = SceneClass.BUILDING
GLASS: tuple[RGB, ...] = ((52, 58, 68), (70, 80, 92), (38, 40, 46), (104, 118, 132))
LIT_GLASS: RGB = (250, 214, 140)
FRAMES: tuple[RGB, ...] = ((224, 222, 214), (204, 200, 192), (66, 62, 58))
FASCIAS: tuple[RGB, ...] = ((34, 62, 58), (112, 32, 36), (36, 44, 92), (40, 40, 42), (178, 124, 48))
ROOFS: tuple[RGB, ...] = ((98, 86, 80), (122, 78, 62), (76, 78, 84))


@dataclass(frozen=True, slots=True)
class Style:
    """A way of building; lengths in metres."""

    walls: tuple[RGB, ...]
    storey_m: float
    bay_m: float
    window: tuple[float, float]
    courses: bool
    pitched: bool


STYLES: dict[str, Style] = {
    "brick": Style(
        ((148, 92, 72), (166, 118, 90), (134, 98, 82)), 3.0, 2.6, (0.44, 0.55), True, True
    ),
    "yellow brick": Style(((186, 164, 124), (172, 150, 118)), 3.1, 2.7, (0.42, 0.56), True, True),
    "render": Style(
        ((222, 212, 194), (206, 196, 184), (226, 216, 178), (202, 178, 166)),
        3.0,
        2.9,
        (0.42, 0.52),
        False,
        True,
    ),
    "stone": Style(((168, 156, 136), (146, 138, 126)), 3.7, 3.2, (0.4, 0.62), True, False),
    "office": Style(((140, 134, 128), (118, 112, 112)), 3.3, 2.4, (0.84, 0.56), False, False),
}
STYLE_ODDS: tuple[float, ...] = (0.32, 0.18, 0.22, 0.13, 0.15)


@dataclass(frozen=True, slots=True)
class Wall:
    """An upright sheet: `origin` (x, z) at t = 0, running along z or along x.

    Attributes:
        camera: places the sheet in the picture.
        origin: (x, z) in metres.
        along_street: True when t runs along z, False when along x (`direction` gives the sign).
        direction: sign of t's growth.
        length_m: extent in t.
    """

    camera: Camera
    origin: tuple[float, float]
    along_street: bool
    direction: int
    length_m: float

    def at(self, t: float, y: float) -> Point:
        """Gives the canvas point at t metres along the wall and y metres up."""
        x, z = self.origin
        if self.along_street:
            return self.camera.project(x, y, z + t)
        return self.camera.project(x + self.direction * t, y, z)

    def quad(self, t0: float, t1: float, y0: float, y1: float) -> list[Point]:
        """Gives the corners of a rectangle on the wall."""
        return [self.at(t0, y0), self.at(t1, y0), self.at(t1, y1), self.at(t0, y1)]

    def depth(self, t: float) -> float:
        """Gives the distance from the camera at t metres along the wall."""
        return self.origin[1] + (t if self.along_street else 0.0)


@dataclass(frozen=True, slots=True)
class House:
    """One house of a row: its paint, its measures and how light falls on it."""

    style: Style
    paint: RGB
    frame: RGB
    height_m: float
    depth_m: float
    shop: bool


def sample_house(scenery: Scenery) -> House:
    """Draws a house."""
    rng = scenery.rng
    names = tuple(STYLES)
    style = STYLES[names[int(rng.choice(len(names), p=STYLE_ODDS))]]
    storeys = int(rng.integers(2, 5)) if style.pitched else int(rng.integers(2, 6))
    return House(
        style=style,
        paint=scenery.pick(style.walls, 14),
        frame=scenery.pick(FRAMES),
        height_m=storeys * style.storey_m + rng.uniform(0.2, 0.9),
        depth_m=rng.uniform(7.0, 11.0),
        shop=rng.random() < 0.35,
    )


def paint_row(scenery: Scenery, plan: StreetPlan, side: int, setback_m: float = 0.0) -> None:
    """Paints the row of houses on one side, from the far end to the camera."""
    rng = scenery.rng
    fronts: list[tuple[float, float, float]] = []
    z = rng.uniform(-4.0, 2.0)
    while z < plan.length_m:
        width = rng.uniform(6.0, 15.0)
        junction = plan.junction_m
        if (
            junction is not None
            and junction[0] == side
            and z < junction[2]
            and z + width > junction[1]
        ):
            if junction[1] - z > 4.0:
                fronts.append((z, junction[1], 0.0))
            z = junction[2]
            continue
        fronts.append((z, z + width, rng.uniform(0.0, 0.9) if rng.random() < 0.5 else 0.0))
        z += width + (rng.uniform(1.0, 4.0) if rng.random() < 0.12 else 0.0)
    for start, end, recess in reversed(fronts):
        if end > 2.5:
            x = plan.frontage(side) + side * (setback_m + recess)
            paint_house(scenery, sample_house(scenery), side, x, (start, end))


def paint_house(
    scenery: Scenery, house: House, side: int, x_m: float, z_span: tuple[float, float]
) -> None:
    """Paints one house: roof and chimneys first, then the end wall, then the front."""
    near, far = max(z_span[0], 1.2), z_span[1]
    gable = Wall(scenery.camera, (x_m, near), False, side, house.depth_m)
    front = Wall(scenery.camera, (x_m, near), True, side, far - near)
    if house.style.pitched:
        _paint_roof(scenery, house, side, x_m, (near, far))
    if z_span[0] > 1.2:
        shade = scenery.light.wall(0)
        paint = scenery.light.shade(house.paint, shade, near)
        scenery.canvas.polygon(gable.quad(0, house.depth_m, 0, house.height_m), paint, BUILDING)
        _paint_windows(scenery, house, gable, shade * 0.95, first_storey=1)
    shade = scenery.light.wall(side)
    _paint_front(scenery, house, front, shade)
    scenery.cast_shadow(x_m, x_m - side * 0.5, near, far, 0.25)
    if scenery.light.sun_side == side and scenery.light.sun > 0.12:
        reach = house.height_m * 0.55
        scenery.cast_shadow(x_m, x_m - side * reach, near, far - 0.4, scenery.light.shadow)


def _paint_front(scenery: Scenery, house: House, wall: Wall, shade: float) -> None:
    """Paints the front of a house, storey by storey."""
    light, length, height = scenery.light, wall.length_m, house.height_m
    middle = wall.depth(length / 2)
    scenery.canvas.polygon(
        wall.quad(0, length, 0, height), light.shade(house.paint, shade, middle), BUILDING
    )
    if house.style.courses and wall.depth(0) < 22.0:
        _paint_courses(scenery, house, wall, shade)
    _paint_windows(scenery, house, wall, shade, first_storey=1 if house.shop else 0)
    trim = light.shade(house.frame, shade * 0.9, middle)
    scenery.canvas.polygon(wall.quad(0, length, height - 0.25, height + 0.08), trim, BUILDING)
    plinth: RGB = (house.paint[0] // 2, house.paint[1] // 2, house.paint[2] // 2)
    scenery.canvas.polygon(wall.quad(0, length, 0, 0.35), light.shade(plinth, shade, middle))
    if house.shop:
        _paint_shop(scenery, house, wall, shade)
    else:
        _paint_door(scenery, wall, shade)
    pipe = scenery.rng.uniform(0.05, 0.3)
    scenery.canvas.polygon(
        wall.quad(pipe, pipe + 0.12, 0, height), light.shade((70, 66, 64), shade, wall.depth(0))
    )


def _paint_courses(scenery: Scenery, house: House, wall: Wall, shade: float) -> None:
    """Draws brick or stone courses as faint lines along the wall."""
    dark = scenery.light.shade(house.paint, shade * 0.88, wall.depth(0) + 2)
    step = 0.34 if house.style.storey_m < 3.5 else 0.6
    for course in range(1, int(house.height_m / step)):
        y = course * step
        scenery.canvas.line([wall.at(0, y), wall.at(wall.length_m, y)], dark, 1)


def _paint_windows(
    scenery: Scenery, house: House, wall: Wall, shade: float, first_storey: int = 0
) -> None:
    """Draws the grid of windows; far ones lose frames, sills and bars."""
    style, canvas = house.style, scenery.canvas
    bays = max(1, int(wall.length_m / style.bay_m))
    bay = wall.length_m / bays
    storeys = int(house.height_m / style.storey_m)
    wide, high = style.window[0] * bay, style.window[1] * style.storey_m
    for index in reversed(range(bays)):
        t0 = (index + 0.5) * bay - wide / 2
        depth = wall.depth(t0)
        frame = scenery.light.shade(house.frame, shade, depth)
        size_px = abs(wall.at(t0 + wide, 3.0)[0] - wall.at(t0, 3.0)[0])
        if size_px < 2.0:
            continue
        for storey in range(first_storey, storeys):
            y0 = storey * style.storey_m + 0.9
            glass = _glass(scenery, shade, depth)
            if size_px < 9.0:
                canvas.polygon(wall.quad(t0, t0 + wide, y0, y0 + high), glass)
                continue
            canvas.polygon(
                wall.quad(t0 - 0.08, t0 + wide + 0.08, y0 - 0.12, y0 + high + 0.08), frame
            )
            canvas.polygon(wall.quad(t0, t0 + wide, y0, y0 + high), glass)
            if size_px > 16.0:
                middle, half = t0 + wide / 2, y0 + high / 2
                canvas.polygon(wall.quad(middle - 0.03, middle + 0.03, y0, y0 + high), frame)
                canvas.polygon(wall.quad(t0, t0 + wide, half - 0.03, half + 0.03), frame)


def _glass(scenery: Scenery, shade: float, depth: float) -> RGB:
    """Draws the look of one pane: dark, a reflection, or lit from inside at dusk."""
    if scenery.light.weather.glow and scenery.rng.random() < 0.35:
        return scenery.light.shade(LIT_GLASS, 1.3, depth)
    return scenery.light.shade(scenery.pick(GLASS, 12), shade, depth)


def _paint_shop(scenery: Scenery, house: House, wall: Wall, shade: float) -> None:
    """Draws a shopfront: stall riser, panes, fascia, sometimes an awning."""
    canvas, light, length = scenery.canvas, scenery.light, wall.length_m
    depth = wall.depth(length / 2)
    fascia = scenery.pick(FASCIAS)
    canvas.polygon(wall.quad(0.3, length - 0.3, 0, 3.0), light.shade(fascia, shade, depth))
    panes = max(1, int(length / 2.2))
    step = (length - 0.8) / panes
    for index in range(panes):
        t0 = 0.4 + index * step
        glass = _glass(scenery, shade * 1.1, depth)
        canvas.polygon(wall.quad(t0 + 0.08, t0 + step - 0.08, 0.6, 2.4), glass)
        goods = light.shade(scenery.pick(FASCIAS, 60), shade, depth)
        canvas.polygon(wall.quad(t0 + 0.3, t0 + step * 0.6, 0.6, 1.3), goods)
    lettering = light.shade((228, 220, 196), shade, depth)
    canvas.polygon(wall.quad(length * 0.25, length * 0.7, 2.6, 2.82), lettering)


def _paint_door(scenery: Scenery, wall: Wall, shade: float) -> None:
    """Draws a house door with its step and fanlight."""
    t = min(0.6, wall.length_m * 0.1)
    depth = wall.depth(t)
    frame = scenery.light.shade((220, 216, 206), shade, depth)
    door = scenery.light.shade(scenery.pick(FASCIAS, 16), shade, depth)
    scenery.canvas.polygon(wall.quad(t, t + 1.15, 0, 2.6), frame)
    scenery.canvas.polygon(wall.quad(t + 0.1, t + 1.05, 0, 2.1), door)
    scenery.canvas.polygon(wall.quad(t + 0.1, t + 1.05, 2.2, 2.5), _glass(scenery, shade, depth))


def _paint_roof(
    scenery: Scenery, house: House, side: int, x_m: float, z_span: tuple[float, float]
) -> None:
    """Draws the slope over the street, the gable under it and the chimneys on the ridge."""
    (near, far), project = z_span, scenery.camera.project
    eaves, ridge = house.height_m, house.height_m + house.depth_m * 0.42
    middle = x_m + side * house.depth_m / 2
    back = x_m + side * house.depth_m
    light, canvas = scenery.light, scenery.canvas
    tile = light.shade(scenery.pick(ROOFS), light.wall(side), (near + far) / 2)
    for z in (near + 0.6, far - 0.9):
        stack = light.shade((142, 96, 78), light.wall(0), z)
        top = ridge + 1.0
        x0, x1 = middle - side * 1.1, middle + side * 0.2
        canvas.polygon(
            [
                project(x0, eaves, z),
                project(x1, eaves, z),
                project(x1, top, z),
                project(x0, top, z),
            ],
            stack,
            BUILDING,
        )
        canvas.polygon(
            [
                project(x0, eaves, z),
                project(x0, eaves, z + 0.8),
                project(x0, top, z + 0.8),
                project(x0, top, z),
            ],
            light.shade((126, 84, 68), light.wall(side), z),
            BUILDING,
        )
    slope = [
        project(x_m - side * 0.2, eaves, near),
        project(x_m - side * 0.2, eaves, far),
        project(middle, ridge, far),
        project(middle, ridge, near),
    ]
    canvas.polygon(slope, tile, BUILDING)
    gable = [project(x_m, eaves, near), project(middle, ridge, near), project(back, eaves, near)]
    canvas.polygon(gable, light.shade(house.paint, light.wall(0), near), BUILDING)


def paint_backdrop(scenery: Scenery, depth_m: float) -> None:
    """Closes the street with houses that face the camera, some with a gable or a tower."""
    rng, light = scenery.rng, scenery.light
    x = -75.0
    while x < 75.0:
        house = sample_house(scenery)
        width = rng.uniform(8.0, 18.0)
        wall = Wall(scenery.camera, (x, depth_m), False, 1, width)
        shade = light.wall(0) * 0.95
        paint = light.shade(house.paint, shade, depth_m)
        scenery.canvas.polygon(wall.quad(0, width, 0, house.height_m), paint, BUILDING)
        if house.style.pitched:
            ridge = house.height_m + rng.uniform(1.5, 3.5)
            roof = [
                wall.at(-0.2, house.height_m),
                wall.at(width * 0.15, ridge),
                wall.at(width * 0.85, ridge),
                wall.at(width + 0.2, house.height_m),
            ]
            tile = light.shade(scenery.pick(ROOFS), shade, depth_m)
            scenery.canvas.polygon(roof, tile, BUILDING)
        _paint_windows(scenery, house, wall, shade)
        x += width
