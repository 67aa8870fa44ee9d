"""A first run without a recipe: what is chosen for which data and machine, and what a start brings with it."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import edge_deeplab as ed
from edge_deeplab.config import Recipe
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.family import FAMILY, find_spec
from edge_deeplab.training import choosing
from edge_deeplab.training.choosing import Given, Machine, choose_recipe, fit_size, tell_choice
from edge_deeplab.training.start import choose_spec, section_of, started_recipe
from tests.progress import Heard
from tests.shallow import NAME
from tests.training.test_run_folder import TINY

MakeDataset = Callable[..., Path]
TWO_CORES, GPU = Machine("cpu", 8.0), Machine("cuda", 24.0)


def images(folder: Path, count: int, size_hw: tuple[int, int]) -> list[Path]:
    path = folder / "one.jpg"
    Image.new("RGB", size_hw[::-1]).save(path)
    return [path] * count


@pytest.mark.parametrize(
    ("own_hw", "size_hw"),
    [
        ((360, 480), (368, 480)),
        ((3000, 4000), (368, 480)),
        ((4000, 3000), (480, 368)),
        ((1024, 2048), (288, 592)),
        ((100, 100), (96, 96)),
        ((40, 40), (48, 48)),
        ((9, 9), (32, 32)),
        ((100, 10000), (32, 4192)),
        ((4, 60000), (32, 5520)),
    ],
)
def test_size_follows_the_pictures_in_multiples_of_16(
    own_hw: tuple[int, int], size_hw: tuple[int, int]
) -> None:
    assert fit_size(own_hw) == size_hw
    assert size_hw[0] * size_hw[1] <= 368 * 480


def test_choice_is_a_recipe_whose_crops_and_batch_follow_the_machine(tmp_path: Path) -> None:
    paths = images(tmp_path, 160, (720, 960))
    small, large = (choose_recipe(paths, 40, Given(), machine) for machine in (TWO_CORES, GPU))
    assert Recipe.model_validate(small).data.validation_split == "val"
    assert (small["data"]["crop_hw"], small["optimiser"]["batch_size"]) == ((256, 256), 8)
    assert (large["data"]["crop_hw"], large["optimiser"]["batch_size"]) == ((352, 352), 16)
    assert large["optimiser"]["learning_rate"] > small["optimiser"]["learning_rate"]
    assert small["data"]["scale"] == pytest.approx((0.253, 1.01)), "photographs are twice the size"
    tight = choose_recipe(paths, None, Given(), Machine("cuda", 3.0))
    assert tight["optimiser"]["batch_size"] == 2
    assert tight["data"]["validation_split"] == ""
    assert "no split val" in tell_choice(tight, 160, GPU)
    shared = choose_recipe(paths, 40, Given(), Machine("cuda", 24.0, processes=4))
    assert shared["optimiser"]["batch_size"] % 4 == 0


@pytest.mark.parametrize("epochs", [1, 50, 51, 99, 149, 1000])
def test_run_is_scored_fifty_times_at_most(epochs: int, tmp_path: Path) -> None:
    paths = images(tmp_path, 100, (36, 48))
    sections = choose_recipe(paths, 1, Given(epochs=epochs), TWO_CORES)
    every = sections["optimiser"]["validate_every"]
    scored = [each for each in range(1, epochs + 1) if each % every == 0 or each == epochs]
    assert len(scored) <= 50


@pytest.mark.parametrize("count", [1, 64, 65, 127, 128, 1000])
def test_headers_of_64_images_are_read_at_most(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(choosing, "read_size", lambda path: read.append(path) or (30, 40))
    assert choosing.typical_size([tmp_path] * count) == (30, 40)
    assert min(count, 32) <= len(read) <= 64


@pytest.mark.parametrize("told", ["x", "", "0", "-1", "1.5"])
def test_environment_that_names_no_number_of_processes_is_refused(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", told)
    with pytest.raises(ConfigError, match=r"WORLD_SIZE came as .*; a number of processes from 1"):
        Machine.here()


def test_what_is_said_is_not_chosen(tmp_path: Path) -> None:
    given = Given(epochs=3, size_hw=(64, 96), batch_size=4)
    sections = choose_recipe(images(tmp_path, 9, (360, 480)), 9, given, TWO_CORES)
    assert sections["data"]["size_hw"] == (64, 96)
    assert (sections["optimiser"]["epochs"], sections["optimiser"]["batch_size"]) == (3, 4)
    assert sections["optimiser"]["warmup_steps"] == 0


@pytest.mark.parametrize(("count", "batch_size"), [(1, None), (3, 8)])
def test_images_are_repeated_where_they_are_fewer_than_a_batch(
    count: int, batch_size: int | None, tmp_path: Path
) -> None:
    given = Given(batch_size=batch_size)
    sections = choose_recipe(images(tmp_path, count, (64, 96)), None, given, TWO_CORES)
    repeat, batch = sections["data"]["repeat"], sections["optimiser"]["batch_size"]
    assert (repeat - 1) * count < batch <= repeat * count
    assert f"epochs of each image {repeat} times" in tell_choice(sections, count, TWO_CORES)


@pytest.mark.usefixtures("shallow")
def test_bare_run_tells_what_it_chose_and_keeps_it(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data, heard = make_dataset("val", count=2), Heard()
    make_dataset("train", count=4)
    (data / "dataset.toml").unlink()
    start = ed.train(
        data,
        tmp_path / "first",
        model=NAME,
        classes=("a", "b"),
        epochs=1,
        size_hw=(32, 48),
        batch_size=2,
        recipe={"model": {"pretrained": False}},
        workers=0,
    )
    ed.train(
        data,
        tmp_path / "run",
        init=start.checkpoint,
        classes=("a", "b"),
        epochs=1,
        workers=0,
        progress=heard,
    )
    assert heard.notes[0].startswith("chosen for 4 images and ")
    kept = tomllib.loads((tmp_path / "run" / "recipe.toml").read_text())
    assert kept["model"]["name"] == NAME, "the start's network"
    assert kept["data"]["size_hw"] == [32, 48], "the start's size"
    assert kept["optimiser"]["batch_size"] == 2
    trained = ed.load(tmp_path / "run")
    assert [c.name for c in trained.info.classes] == ["a", "b"]


@pytest.mark.usefixtures("shallow")
def test_file_of_the_classes_says_what_is_ignored(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data = make_dataset()
    listed = (data / "dataset.toml").rename(tmp_path / "mine.toml")
    for mask in (data / "train" / "masks").iterdir():
        ids = Image.new("L", (48, 40), 9)
        ids.paste(1, (0, 0, 20, 40))
        ids.save(mask)
    trained = ed.train(data, tmp_path / "run", recipe=TINY, classes=listed, workers=0)
    assert ed.load(trained.checkpoint).info.ignore_index == 9


def test_classes_beside_a_description_are_refused(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="says itself what its masks mean"):
        ed.train(make_dataset(), tmp_path / "run", classes=("a", "b"))


@pytest.mark.parametrize("name", [*FAMILY])
def test_network_of_a_start_is_what_the_recipe_then_names(name: str) -> None:
    for options in ({}, {"output_stride": 16}, {"output_stride": 8, "align_corners": True}):
        spec = find_spec(name).with_options(options)
        assert choose_spec(section_of(spec)) == spec
    if spec.decoder is not None:
        spec = spec.with_options({"decoder": "none", "aspp": {"rates": [2, 3], "pooling": "none"}})
        recipe = Recipe.model_validate({"model": section_of(spec).model_dump()})
        assert choose_spec(recipe.model) == spec


def test_recipe_that_names_a_network_and_a_size_keeps_them() -> None:
    start = ed.load("camvid-mobilenetv2")
    said = Recipe.model_validate({"model": {"name": "resnet50"}, "data": {"size_hw": (64, 64)}})
    assert started_recipe(said, start, takes_model=True) == said
    unsaid = started_recipe(Recipe(), start, takes_model=True)
    assert choose_spec(unsaid.model) == start.info.spec
    assert unsaid.data.size_hw == start.info.size_hw
