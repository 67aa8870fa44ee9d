"""Rendered street scenes: reproducible, labelled exactly, and every class among them."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge_deeplab.data.rendered import CLASSES, IGNORE_INDEX, PALETTE, SceneClass, render_scene
from edge_deeplab.data.rendered.camera import Camera
from edge_deeplab.data.rendered.canvas import SUPERSAMPLE, Canvas
from edge_deeplab.data.rendered.furniture import (
    paint_board_fence,
    paint_bollard,
    paint_lamp,
    paint_railing,
    paint_sign,
    paint_traffic_light,
)
from edge_deeplab.data.rendered.light import WEATHER_ODDS, WEATHERS, Light
from edge_deeplab.data.rendered.people import paint_cyclist, paint_pedestrian
from edge_deeplab.data.rendered.scenery import Scenery
from edge_deeplab.data.rendered.vegetation import paint_hedge, paint_tree
from edge_deeplab.data.rendered.vehicles import SHAPES, paint_vehicle
from edge_deeplab.errors import ConfigError, EdgeDeepLabError

SEEDS = range(20)
LEARNABLE_PX = 60
UNTOUCHED = (255, 0, 255)
ALWAYS = (SceneClass.SKY, SceneClass.BUILDING, SceneClass.ROAD, SceneClass.PAVEMENT)
RARE = (
    SceneClass.POLE,
    SceneClass.SIGN,
    SceneClass.FENCE,
    SceneClass.PEDESTRIAN,
    SceneClass.BICYCLIST,
)


Painter = Callable[[Scenery], None]
SOLID_PAINTERS: dict[str, Painter] = {
    "tree": lambda scenery: paint_tree(scenery, 1.0, 12.0),
    "hedge": lambda scenery: paint_hedge(scenery, 4.0, (6.0, 30.0), 2.0),
    "lamp": lambda scenery: paint_lamp(scenery, 3.0, 14.0, -1.2),
    "bollard": lambda scenery: paint_bollard(scenery, 2.0, 9.0),
    "sign": lambda scenery: paint_sign(scenery, -2.0, 11.0),
    "traffic light": lambda scenery: paint_traffic_light(scenery, -2.0, 11.0),
    "board fence": lambda scenery: paint_board_fence(scenery, 4.0, (6.0, 40.0), 1.8, (130, 90, 60)),
    "pedestrian": lambda scenery: paint_pedestrian(scenery, 1.0, 9.0),
    "cyclist from behind": lambda scenery: paint_cyclist(scenery, 1.0, 9.0, 0),
}
SEE_THROUGH_PAINTERS: dict[str, Painter] = {
    "railing": lambda scenery: paint_railing(scenery, 3.0, (6.0, 12.0), 1.1, (40, 40, 40)),
    "cyclist from the side": lambda scenery: paint_cyclist(scenery, 1.0, 9.0, 1),
}


@pytest.fixture(scope="module")
def counts() -> NDArray[np.int64]:
    """Pixels of each class in each of twenty consecutive scenes: (20, 11)."""
    masks = [render_scene(seed)[1] for seed in SEEDS]
    return np.stack([np.bincount(mask.ravel(), minlength=len(CLASSES)) for mask in masks])


def empty_stage(height: int = 180, width: int = 240, seed: int = 0) -> Scenery:
    """Gives a scenery with a sky of one colour that nothing has, a camera in the middle of the road and no haze."""
    canvas_hw = (height * SUPERSAMPLE, width * SUPERSAMPLE)
    camera = Camera(
        0.0, 1.5, float(canvas_hw[1]), canvas_hw[1] / 2, canvas_hw[0] / 2, *canvas_hw[::-1]
    )
    light = Light(WEATHERS["clear"], 0.0, 1, 0.0, 0.0, 0.0, 1.0)
    backdrop = Image.new("RGB", canvas_hw[::-1], UNTOUCHED)
    return Scenery(Canvas(backdrop), camera, light, np.random.default_rng(seed))


def digest(seed: int) -> str:
    image, mask = render_scene(seed, (96, 128))
    return hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()


def test_class_order_is_camvids() -> None:
    assert CLASSES[0] == "sky"
    assert CLASSES[10] == "bicyclist"
    assert IGNORE_INDEX == len(CLASSES) == len(PALETTE) == len(set(PALETTE)) == 11


def test_weather_odds_cover_every_weather() -> None:
    assert len(WEATHER_ODDS) == len(WEATHERS)
    assert sum(WEATHER_ODDS) == pytest.approx(1.0)


def test_render_scene_default_size_gives_uint8_image_and_mask() -> None:
    image, mask = render_scene(3)
    assert image.shape == (360, 480, 3)
    assert mask.shape == (360, 480)
    assert image.dtype == mask.dtype == np.uint8


def test_render_scene_same_seed_is_identical_in_another_process() -> None:
    script = (
        "import hashlib; from edge_deeplab.data.rendered import render_scene\n"
        "image, mask = render_scene(7, (96, 128))\n"
        "print(hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest())"
    )
    run = [sys.executable, "-c", script]
    other = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    assert digest(7) == digest(7) == other


def test_render_scene_different_seeds_differ_in_image_and_mask() -> None:
    scenes = [render_scene(seed, (96, 128)) for seed in range(5)]
    for (image, mask), (next_image, next_mask) in pairwise(scenes):
        assert np.mean(image != next_image) > 0.5
        assert np.mean(mask != next_mask) > 0.02


def test_render_scene_global_random_state_is_neither_used_nor_changed() -> None:
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    first = digest(4)
    assert np.random.random() == expected
    assert digest(4) == first


def test_masks_hold_class_ids_only(counts: NDArray[np.int64]) -> None:
    assert counts.shape == (len(SEEDS), len(CLASSES))
    assert (counts.sum(axis=1) == 360 * 480).all()


def test_every_scene_has_the_street_itself(counts: NDArray[np.int64]) -> None:
    assert (counts[:, ALWAYS] > 500).all()


def test_twenty_scenes_show_every_class(counts: NDArray[np.int64]) -> None:
    assert (counts.max(axis=0) > 400).all()


@pytest.mark.parametrize("label", RARE)
def test_rare_class_is_learnable_in_most_scenes(
    counts: NDArray[np.int64], label: SceneClass
) -> None:
    assert np.mean(counts[:, label] > LEARNABLE_PX) >= 0.6


def test_scene_is_not_dominated_by_one_class(counts: NDArray[np.int64]) -> None:
    shares = counts.mean(axis=0) / (360 * 480)
    assert shares.max() < 0.45
    assert 0.05 < shares[SceneClass.SKY] < 0.3


def test_canvas_mask_and_image_agree_on_a_known_polygon() -> None:
    scenery = empty_stage(60, 80)
    corners = [(20.0, 24.0), (99.0, 24.0), (99.0, 79.0), (20.0, 79.0)]
    scenery.canvas.polygon(corners, (255, 255, 0), SceneClass.SIGN)
    drawing, mask = scenery.canvas.reduce()
    assert np.array_equal(mask == SceneClass.SIGN, np.asarray(drawing)[..., 1] > 128)
    rows, columns = np.nonzero(mask == SceneClass.SIGN)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 39, 10, 49)


def test_canvas_thin_slanted_line_is_labelled_where_it_is_seen() -> None:
    scenery = empty_stage(60, 80)
    scenery.canvas.line([(10.0, 10.0), (140.0, 100.0)], (0, 0, 0), 6, SceneClass.POLE)
    drawing, mask = scenery.canvas.reduce()
    darkness = 255.0 - np.asarray(drawing, np.float64)[..., 0]
    labelled = (mask == SceneClass.POLE).astype(np.float64)
    for axis in (0, 1):
        places = np.arange(mask.shape[axis])
        seen = (darkness.sum(axis=1 - axis) * places).sum() / darkness.sum()
        said = (labelled.sum(axis=1 - axis) * places).sum() / labelled.sum()
        assert abs(seen - said) < 0.5


def painted_and_labelled(scenery: Scenery) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tells, on the supersampled canvas, which pixels have a new colour and which a new label."""
    painted = (np.asarray(scenery.canvas.colours) != np.array(UNTOUCHED)).any(axis=2)
    return painted, np.asarray(scenery.canvas.ids) != SceneClass.SKY


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("heading", [0.0, 0.4, 1.57, 3.14, -1.57])
def test_vehicle_label_covers_exactly_the_painted_pixels(kind: str, heading: float) -> None:
    scenery = empty_stage()
    paint_vehicle(scenery, kind, 1.5, 12.0, heading)
    painted, labelled = painted_and_labelled(scenery)
    assert labelled.sum() > 1000
    assert np.array_equal(painted, labelled)


@pytest.mark.parametrize("name", SOLID_PAINTERS)
def test_solid_object_label_covers_exactly_the_painted_pixels(name: str) -> None:
    for seed in range(6):
        scenery = empty_stage(seed=seed)
        SOLID_PAINTERS[name](scenery)
        painted, labelled = painted_and_labelled(scenery)
        assert labelled.sum() > 100
        assert np.array_equal(painted, labelled)


@pytest.mark.parametrize("name", SEE_THROUGH_PAINTERS)
def test_see_through_object_label_covers_all_painted_pixels(name: str) -> None:
    scenery = empty_stage()
    SEE_THROUGH_PAINTERS[name](scenery)
    painted, labelled = painted_and_labelled(scenery)
    assert not (painted & ~labelled).any()
    assert 0.25 < painted.sum() / labelled.sum() < 1.0


def test_sky_and_road_look_different_where_labelled() -> None:
    image, mask = render_scene(5)
    sky, road = image[mask == SceneClass.SKY].mean(), image[mask == SceneClass.ROAD].mean()
    assert sky > road + 20


@pytest.mark.parametrize("size_hw", [(32, 32), (61, 97), (97, 61), (121, 33)])
def test_render_scene_odd_size_gives_that_size(size_hw: tuple[int, int]) -> None:
    image, mask = render_scene(2, size_hw)
    assert image.shape == (*size_hw, 3)
    assert mask.shape == size_hw
    assert {SceneClass.ROAD, SceneClass.BUILDING} <= set(np.unique(mask).tolist())


@pytest.mark.parametrize(
    "size_hw",
    [(0, 480), (-360, 480), (360,), (360, 480, 3), (36.5, 48), (True, 64), (64, 9000), 360],
)
def test_render_scene_impossible_size_raises_config_error(size_hw: object) -> None:
    with pytest.raises(ConfigError, match="expected \\(height, width\\)"):
        render_scene(1, size_hw)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "3"])
def test_render_scene_impossible_seed_raises_config_error(seed: object) -> None:
    with pytest.raises(EdgeDeepLabError, match="expected an integer of 0 or more"):
        render_scene(seed)  # type: ignore[arg-type]
