"""Where things stand on the street: fences, trees, columns, vehicles and people, each with its depth and its painter.

Nothing is painted here. The list of `Placed` is painted from far to near by `scene`, which is what keeps the labels
equal to what is visible. Vehicles and cyclists claim the ground they stand on, so that none is drawn inside another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import pi

from edge_deeplab.data.rendered import furniture, people, vegetation, vehicles
from edge_deeplab.data.rendered.scenery import Scenery
from edge_deeplab.data.rendered.street import StreetPlan

Placed = tuple[float, Callable[[], None]]  # (depth in metres, painter)
Odds = tuple[float, ...]

MOVING_ODDS: Odds = (0.3, 0.27, 0.2, 0.13, 0.1)  # in the order of `vehicles.SHAPES`
PARKED_ODDS: Odds = (0.36, 0.32, 0.24, 0.08, 0.0)


@dataclass(slots=True)
class Layout:
    """What has been placed so far on one street."""

    scenery: Scenery
    plan: StreetPlan
    placed: list[Placed] = field(default_factory=list)
    footprints: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, depth_m: float, painter: Callable[[], None]) -> None:
        """Notes a thing to be painted at its depth."""
        self.placed.append((depth_m, painter))

    def claim(self, x: float, z: float, half_width: float, half_length: float) -> bool:
        """Reserves a patch of ground (metres) and tells whether it was free."""
        for other_x, other_z, other_width, other_length in self.footprints:
            if abs(x - other_x) < half_width + other_width and (
                abs(z - other_z) < half_length + other_length
            ):
                return False
        self.footprints.append((x, z, half_width, half_length))
        return True

    def side(self) -> int:
        """Draws a side of the street, -1 or +1."""
        return -1 if self.scenery.rng.random() < 0.5 else 1


def place_objects(scenery: Scenery, plan: StreetPlan) -> list[Placed]:
    """Gives everything that stands on the street, in no particular order."""
    layout = Layout(scenery, plan)
    for side in (-1, 1):
        _place_boundary(layout, side)
        _place_trees(layout, side)
    _place_lamps(layout)
    _place_signs(layout)
    _place_bollards(layout)
    _place_cyclists(layout)
    _place_traffic(layout)
    for side in (-1, 1):
        _place_parked(layout, side)
    _place_crossing(layout)
    _place_pedestrians(layout)
    return layout.placed


def _place_boundary(layout: Layout, side: int) -> None:
    """Places a hedge along a park and fences or railings, in short stretches so that depth order holds."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    park = side == plan.park_side
    if park:
        height = scenery.camera.height_m + rng.uniform(0.2, 0.7)
        x = plan.frontage(side) + side * 0.3
        hedge = partial(vegetation.paint_hedge, scenery, x, (1.0, plan.length_m), height)
        layout.add(plan.length_m, hedge)
    if rng.random() > (0.65 if park else 0.75):
        return
    boarded = rng.random() < (0.6 if park else 0.4)
    at_kerb = not park and not boarded and rng.random() < 0.6
    x = plan.kerb(side) + side * 0.25 if at_kerb else plan.frontage(side) - side * 0.12
    height = rng.uniform(1.5, 2.1) if boarded else rng.uniform(1.0, 1.3)
    start = 2.0 if park else rng.uniform(3.0, 12.0)
    end = 60.0 if park else start + rng.uniform(7.0, 18.0)
    paint = scenery.pick(furniture.BOARDS if boarded else furniture.RAILS)
    draw = furniture.paint_board_fence if boarded else furniture.paint_railing
    while start < end:
        stop = min(start + max(2.0, start * 0.25), end)
        if plan.is_kerbside(side, start) and plan.is_kerbside(side, stop):
            layout.add(stop, partial(draw, scenery, x, (start, stop), height, paint))
        start = stop


def _place_trees(layout: Layout, side: int) -> None:
    """Places street trees along a kerb."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    if rng.random() < 0.35:
        return
    x = plan.kerb(side) + side * 0.8
    first, spacing = rng.uniform(8.0, 18.0), rng.uniform(6.5, 12.0)
    for index in range(int(rng.integers(1, 4))):
        z = first + index * spacing
        if plan.is_kerbside(side, z):
            layout.add(z, partial(vegetation.paint_tree, scenery, x, z, rng.uniform(0.7, 1.05)))


def _place_lamps(layout: Layout) -> None:
    """Places lamp columns, left and right in turn."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    first, spacing = rng.uniform(6.0, 13.0), rng.uniform(11.0, 16.0)
    for index in range(4):
        side, z = (1 if index % 2 else -1), first + index * spacing
        x, arm = plan.kerb(side) + side * 0.55, -side * rng.uniform(0.8, 1.6)
        layout.add(z, partial(furniture.paint_lamp, scenery, x, z, arm))


def _place_signs(layout: Layout) -> None:
    """Places two to four traffic signs and lights."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    for _ in range(int(rng.integers(2, 5))):
        side, z = layout.side(), rng.uniform(7.0, 24.0)
        x = plan.kerb(side) + side * rng.uniform(0.4, 0.9)
        draw = furniture.paint_traffic_light if rng.random() < 0.3 else furniture.paint_sign
        layout.add(z, partial(draw, scenery, x, z))


def _place_bollards(layout: Layout) -> None:
    """Places a row of bollards at a kerb, in some scenes."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    if rng.random() > 0.4:
        return
    side, start = layout.side(), rng.uniform(5.0, 10.0)
    for index in range(int(rng.integers(3, 7))):
        z = start + index * 1.8
        layout.add(z, partial(furniture.paint_bollard, scenery, plan.kerb(side) + side * 0.4, z))


def _place_vehicle(layout: Layout, x: float, z: float, heading: float, odds: Odds) -> None:
    """Places a vehicle of a drawn kind where the ground is still free."""
    scenery = layout.scenery
    kinds = tuple(vehicles.SHAPES)
    kind = kinds[int(scenery.rng.choice(len(kinds), p=odds))]
    shape = vehicles.SHAPES[kind]
    half_width, half_length = shape.half_width + 0.1, shape.half_length + 0.5
    if abs(abs(heading) - pi / 2) < 0.6:  # it stands across the street
        half_width, half_length = half_length, half_width
    nearest = vehicles.NEAREST_M + half_length
    if z >= nearest and layout.claim(x, z, half_width, half_length):
        layout.add(z, partial(vehicles.paint_vehicle, scenery, kind, x, z, heading))


def _place_traffic(layout: Layout) -> None:
    """Places the vehicle ahead and the oncoming ones."""
    plan, rng, away = layout.plan, layout.scenery.rng, layout.plan.drive_side
    if rng.random() < 0.75:
        heading = rng.normal(0.0, 0.03)
        _place_vehicle(layout, plan.lane(away), rng.uniform(11.0, 38.0), heading, MOVING_ODDS)
    z = rng.uniform(9.0, 22.0)
    for _ in range(int(rng.integers(0, 4))):
        x, heading = plan.lane(-away) + rng.normal(0.0, 0.15), pi + rng.normal(0.0, 0.03)
        _place_vehicle(layout, x, z, heading, MOVING_ODDS)
        z += rng.uniform(8.0, 18.0)


def _place_parked(layout: Layout, side: int) -> None:
    """Places a row of parked cars along a kerb, where the road is wide enough."""
    plan, rng = layout.plan, layout.scenery.rng
    if plan.half_road_m < 3.9 or rng.random() < 0.4:
        return
    z = rng.uniform(6.5, 12.0)
    for _ in range(int(rng.integers(1, 5))):
        if plan.is_kerbside(side, z):
            heading = 0.0 if side == plan.drive_side or rng.random() < 0.3 else pi
            x = plan.kerb(side) - side * 1.05
            _place_vehicle(layout, x, z, heading + rng.normal(0.0, 0.02), PARKED_ODDS)
        z += rng.uniform(5.2, 9.0)


def _place_crossing(layout: Layout) -> None:
    """Places a vehicle that leaves the side street, seen from its side."""
    plan, rng = layout.plan, layout.scenery.rng
    if plan.junction_m is None or rng.random() > 0.6:
        return
    side, start, end = plan.junction_m
    x = plan.kerb(side) + side * rng.uniform(-1.5, 3.5)
    heading = -side * pi / 2 + rng.normal(0.0, 0.15)
    _place_vehicle(layout, x, (start + end) / 2, heading, MOVING_ODDS)


def _place_pedestrians(layout: Layout) -> None:
    """Places people on both pavements and now and then one who crosses."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    for _ in range(int(rng.integers(2, 7))):
        side, z = layout.side(), rng.uniform(6.5, 20.0)
        width = plan.pavement_m[(side + 1) // 2]
        x = plan.kerb(side) + side * rng.uniform(0.6, width - 0.4)
        layout.add(z, partial(people.paint_pedestrian, scenery, x, z))
    if rng.random() < 0.3:
        x, z = rng.uniform(-1.0, 1.0) * plan.half_road_m * 0.8, rng.uniform(9.0, 18.0)
        if layout.claim(x, z, 0.3, 0.3):
            layout.add(z, partial(people.paint_pedestrian, scenery, x, z))


def _place_cyclists(layout: Layout) -> None:
    """Places cyclists who ride along the kerb or cross the road."""
    scenery, plan, rng = layout.scenery, layout.plan, layout.scenery.rng
    for _ in range(int(rng.choice(4, p=(0.03, 0.4, 0.42, 0.15)))):
        z, side = rng.uniform(6.0, 16.0), layout.side()
        if rng.random() < 0.5:
            x, facing = plan.kerb(side) - side * rng.uniform(0.6, 1.5), 0
        else:
            x, facing = rng.uniform(-1.0, 1.0) * plan.half_road_m * 0.9, side
        half_width, half_length = (0.4, 0.9) if facing == 0 else (0.9, 0.4)
        if layout.claim(x, z, half_width, half_length):
            layout.add(z, partial(people.paint_cyclist, scenery, x, z, facing))
