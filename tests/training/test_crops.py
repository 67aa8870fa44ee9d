"""Training crops depend on seed, epoch and place alone, and rendered scenes never come from those held out."""

import pickle

import pytest
import torch

from edge_deeplab.config import DataSection, Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.rendered_set import HELD_OUT_COUNT, HELD_OUT_SEED, RenderedDataset
from edge_deeplab.data.transforms import Augmentation
from edge_deeplab.description import Normalisation
from edge_deeplab.training.crops import EpochCrops, _EpochOrder, build_crops
from edge_deeplab.training.train import describe_run
from tests.conftest import MakeDataset


def test_crops_of_an_epoch_do_not_depend_on_what_was_drawn_before(
    make_dataset: MakeDataset,
) -> None:
    source = open_dataset(make_dataset(count=2), "train")
    normalisation = Normalisation((0.0,) * 3, (255.0,) * 3)
    crops = EpochCrops([source], None, 0.0, Augmentation((16, 16)), normalisation, seed=3)
    first = crops[1][0]
    crops[0]
    assert torch.equal(crops[1][0], first)
    crops.epoch = 1
    assert not torch.equal(crops[1][0], first)


def test_crops_of_a_repeated_image_are_drawn_anew(make_dataset: MakeDataset) -> None:
    source = open_dataset(make_dataset(count=2), "train")
    recipe = Recipe(data=DataSection(crop_hw=(16, 16), repeat=3))
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    assert len(crops) == 6
    assert not torch.equal(crops[0][0], crops[2][0])


def test_mixed_crops_hold_others_classes_and_are_drawn_alike_again(
    make_dataset: MakeDataset,
) -> None:
    source = open_dataset(make_dataset(count=2), "train")

    def first(mix: float) -> torch.Tensor:
        recipe = Recipe(data=DataSection(crop_hw=(16, 16), mix=mix))
        return build_crops([source], recipe, describe_run(recipe, [source]))[0][0]

    assert torch.equal(first(1.0), first(1.0))
    assert not torch.equal(first(1.0), first(0.0))


@pytest.mark.parametrize("seed", [0, 1, 999, 1000, 1001, (1 << 32) - 1])
def test_no_run_is_trained_on_scenes_that_are_held_out(seed: int) -> None:
    recipe = Recipe(seed=seed, data=DataSection(rendered_share=0.5, rendered_scenes=1000))
    source = RenderedDataset(1)
    scenes = build_crops([source], recipe, describe_run(recipe, [source])).rendered
    assert scenes is not None
    held_out = range(HELD_OUT_SEED, HELD_OUT_SEED + HELD_OUT_COUNT)
    assert not set(scenes.names) & {f"scene-{number}" for number in held_out}
    assert len(scenes) == 1000


def test_largest_seed_draws_crops(make_dataset: MakeDataset) -> None:
    source = open_dataset(make_dataset(count=2), "train")
    recipe = Recipe(seed=(1 << 32) - 1, data=DataSection(crop_hw=(16, 16)))
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    crops.epoch = 10_000
    assert crops[0][0].shape == (3, 16, 16)
    assert sorted(_EpochOrder(crops)) == [0, 1]


def test_a_spawned_worker_is_not_given_what_is_remembered(make_dataset: MakeDataset) -> None:
    source = open_dataset(make_dataset(count=2), "train")
    recipe = Recipe(data=DataSection(crop_hw=(16, 16)))
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    before = len(pickle.dumps(crops))
    crops.remember()
    assert len(pickle.dumps(crops)) == before
    assert torch.equal(pickle.loads(pickle.dumps(crops))[1][0], crops[1][0])
