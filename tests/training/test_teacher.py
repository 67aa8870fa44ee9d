"""A teacher: seen as it was trained, followed as far as the recipe says, and named in what it taught."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.views import Views
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.loss import Objective, SegmentationLoss
from edge_deeplab.training.teacher import build_teacher
from edge_deeplab.training.train import TrainRequest, train
from tests.training.test_train import same, tiny_recipe

pytestmark = pytest.mark.usefixtures("shallow")
MakeDataset = Callable[..., Path]


@pytest.fixture
def teacher(make_dataset: MakeDataset, tmp_path: Path) -> Checkpoint:
    sources = [open_dataset(make_dataset(count=2), "train")]
    trained = train(
        TrainRequest(tiny_recipe(1), sources, tmp_path / "teacher"), RunOptions(workers=0)
    )
    return load_checkpoint(trained.checkpoint)


def test_teacher_sees_pixels_normalised_as_it_was_trained(teacher: Checkpoint) -> None:
    pixels = torch.rand(1, 3, 32, 48) * 255
    own, given = (
        teacher.info.normalisation,
        Normalisation((1.0, 20.0, 127.0), (3.0, 50.0, 128.0)),
    )

    def shown(to: Normalisation) -> torch.Tensor:
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (to.mean, to.std))
        return (pixels - mean) / std

    with torch.no_grad():
        wanted = teacher.build()(shown(own))
        torch.testing.assert_close(build_teacher(teacher, given)(shown(given)), wanted)
        assert not torch.allclose(build_teacher(teacher, own)(shown(given)), wanted)


def test_teacher_of_several_views_says_the_mean_of_their_probabilities(teacher: Checkpoint) -> None:
    images = torch.randn(2, 3, 32, 48)
    own = teacher.info.normalisation
    plain = build_teacher(teacher, own)
    with torch.no_grad():
        mirrored = plain(images.flip(-1)).flip(-1)
        wanted = (plain(images).softmax(1) + mirrored.softmax(1)) / 2
        said = build_teacher(teacher, own, Views(flip=True))(images)
        larger = build_teacher(teacher, own, Views((1.0, 2.0)))(images)
    torch.testing.assert_close(said.exp(), wanted)
    assert larger.shape == said.shape
    assert not torch.allclose(larger, said)


def test_teacher_that_alone_counts_leaves_the_labels_unread(teacher: Checkpoint) -> None:
    images, logits = torch.randn(1, 3, 32, 48), torch.randn(1, 2, 32, 48)
    masks = torch.full((1, 32, 48), 99)
    built = build_teacher(teacher, teacher.info.normalisation)
    labels = SegmentationLoss(torch.ones(2), lovasz=0.5, ignore_index=255)
    said = Objective(labels, built, 1.0)(logits, images, masks)
    with torch.no_grad():
        wanted = functional.kl_div(logits.log_softmax(1), built(images).softmax(1), reduction="sum")
    torch.testing.assert_close(said, wanted / masks.numel())


def test_train_with_a_teacher_follows_it_as_far_as_the_recipe_says(
    teacher: Checkpoint, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]

    def run(name: str, weight: float | None) -> Checkpoint:
        recipe = tiny_recipe(1)
        asked = TrainRequest(recipe, sources, tmp_path / name)
        if weight is not None:
            section = recipe.teacher.model_copy(update={"weight": weight})
            recipe = recipe.model_copy(update={"teacher": section})
            asked = replace(asked, recipe=recipe, teacher=teacher)
        return load_checkpoint(train(asked, RunOptions(workers=0)).checkpoint)

    alone, followed = run("alone", None), run("followed", 0.5)
    assert same(dict(alone.tensors), dict(run("unheard", 0.0).tensors))
    assert not same(dict(alone.tensors), dict(followed.tensors))
    assert "taught_by" not in alone.info.provenance
    told = followed.info.provenance["taught_by"]
    assert (told["sha256"], told["licence"]) == (teacher.sha256, teacher.info.licence)


def test_train_resumed_with_another_teacher_is_refused(
    teacher: Checkpoint, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    request = TrainRequest(tiny_recipe(1), sources, tmp_path / "run", teacher=teacher)
    train(request, RunOptions(workers=0))
    train(request, RunOptions(resume=True, workers=0))
    with pytest.raises(CheckpointError):
        train(replace(request, teacher=None), RunOptions(resume=True, workers=0))


def test_teacher_of_other_classes_is_refused(
    teacher: Checkpoint, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    first, *rest = teacher.info.classes
    other = replace(
        teacher, info=replace(teacher.info, classes=(replace(first, name="sea"), *rest))
    )
    sources = [open_dataset(make_dataset(count=2), "train")]
    with pytest.raises(CheckpointError, match=r"the teacher .* has the classes sea"):
        TrainRequest(tiny_recipe(1), sources, tmp_path / "run", teacher=other)
