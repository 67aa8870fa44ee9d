"""The training loop on a tiny data set: it learns, resumes exactly, and is a function of its seed."""

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from edge_deeplab.config import (
    CompressRecipe,
    LossSection,
    ModelSection,
    PruneRecipe,
    QatRecipe,
    Recipe,
)
from edge_deeplab.data.dataset import FolderDataset, open_dataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered import CLASSES as RENDERED_CLASSES
from edge_deeplab.errors import CheckpointError, ConfigError, DataError, OutputError
from edge_deeplab.evaluation.validation import open_validator
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.recipes import load_recipe_as
from edge_deeplab.training import start
from edge_deeplab.training.crops import build_crops, build_loader
from edge_deeplab.training.loop import RunOptions
from edge_deeplab.training.loss import SegmentationLoss
from edge_deeplab.training.optimiser import moving_average
from edge_deeplab.training.run_folder import Validator
from edge_deeplab.training.start import choose_spec, load_initial_weights
from edge_deeplab.training.state import TrainingState
from edge_deeplab.training.train import TrainRequest, describe_run
from edge_deeplab.training.train import train as run_train
from tests.progress import Heard
from tests.shallow import NAME

pytestmark = pytest.mark.usefixtures("shallow")
MakeDataset = Callable[..., Path]


def tiny_recipe(epochs: int = 2, **optimiser: object) -> Recipe:
    return Recipe.model_validate(
        {
            "model": {"name": NAME, "pretrained": False},
            "data": {"size_hw": (32, 48), "crop_hw": (32, 32), "scale": (1.0, 1.0)},
            "optimiser": {
                "epochs": epochs,
                "batch_size": 2,
                "warmup_steps": 0,
                "ema_decay": 0.0,
                "precision": "fp32",
                **optimiser,
            },
        }
    )


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(path).tensors)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def read_log(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "log.csv").read_text().splitlines()))


class StoppedError(Exception):
    pass


def stop_in_second_epoch() -> Heard:
    def stop(stage: str) -> None:
        if stage.startswith("epoch 2/"):
            raise StoppedError

    return Heard(stop)


def train(
    recipe: Recipe,
    sources: Sequence[FolderDataset],
    output: Path,
    init: Checkpoint | None = None,
    **options: Any,
) -> Path:
    """Train without workers and return the best checkpoint's path."""
    request = TrainRequest(recipe, sources, output, init)
    return run_train(request, RunOptions(workers=0, **options)).checkpoint


@pytest.mark.parametrize("optimiser", [{}, {"method": "sgd", "accumulate": 2, "batch_size": 4}])
def test_train_stopped_and_resumed_gives_the_weights_of_one_run(
    make_dataset: MakeDataset, tmp_path: Path, optimiser: dict[str, Any]
) -> None:
    sources = [open_dataset(make_dataset(count=4), "train")]
    recipe = tiny_recipe(3, **optimiser)
    whole = train(recipe, sources, tmp_path / "whole")

    with pytest.raises(StoppedError):
        train(recipe, sources, tmp_path / "parts", progress=stop_in_second_epoch())
    resumed = train(recipe, sources, tmp_path / "parts", resume=True)
    assert same(tensors_of(whole), tensors_of(resumed))
    rows = read_log(tmp_path / "parts")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]


def test_train_with_relative_rates_resumes_with_those_of_the_weights_it_started_from(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=4), "train")]
    rates = {"learning_rate": 0.01, "backbone_learning_rate": 0.01}
    init = load_checkpoint(train(tiny_recipe(1, **rates), sources, tmp_path / "init"))
    recipe = tiny_recipe(3, relative_rates=True, **rates)
    whole = train(recipe, sources, tmp_path / "whole", init)
    with pytest.raises(StoppedError):
        train(recipe, sources, tmp_path / "parts", init, progress=stop_in_second_epoch())
    resumed = train(recipe, sources, tmp_path / "parts", init, resume=True)
    assert same(tensors_of(whole), tensors_of(resumed))


def unevenly_ignored(folder: Path) -> Path:
    """Let the masks of a data set ignore the more rows the later they come."""
    for index, path in enumerate(sorted((folder / "train" / "masks").iterdir())):
        mask = np.array(Image.open(path))
        mask[: 8 * index] = 9
        Image.fromarray(mask).save(path)
    return folder


def test_step_in_parts_is_the_step_of_all_crops_at_once(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(unevenly_ignored(make_dataset(count=4)), "train")]
    runs = []
    for accumulate in (1, 2):
        recipe = tiny_recipe(
            2, batch_size=4, accumulate=accumulate, freeze_batch_norm=True, learning_rate=1e-2
        )
        recipe = recipe.model_copy(
            update={
                "loss": LossSection(lovasz=0, class_weights="log"),
                "model": ModelSection(
                    name=NAME,
                    pretrained=False,
                    options={"aspp": {"dropout": 0.0}},
                ),
            }
        )
        run = tmp_path / str(accumulate)
        runs.append((train(recipe, sources, run), [float(row["loss"]) for row in read_log(run)]))
    (whole, losses), *others = runs
    assert len(set(losses)) == 2, "it learns"
    for parts, others_losses in others:
        assert others_losses == pytest.approx(losses, abs=1e-5)
        for name, tensor in tensors_of(whole).items():
            torch.testing.assert_close(tensors_of(parts)[name], tensor, atol=2e-4, rtol=2e-3)


def test_frozen_batch_norm_stays_as_it_was(make_dataset: MakeDataset, tmp_path: Path) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    first = train(tiny_recipe(1), sources, tmp_path / "first")
    frozen = tiny_recipe(2, freeze_batch_norm=True, batch_size=1)
    start = load_checkpoint(first)
    then = train(frozen, sources, tmp_path / "then", start)
    before, after = tensors_of(first), tensors_of(then)
    norms = {name.rpartition(".")[0] for name in before if name.endswith("running_mean")}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.rpartition(".")[0] in norms for name in changed)
    convolutions = [n for n in before if n.endswith("weight") and before[n].ndim == 4]
    assert set(convolutions) <= changed


def train_with_two_seeds(sources: Sequence[FolderDataset], folder: Path) -> list[Path]:
    """Train in `folder/0` and `folder/1` and return both checkpoints."""
    return [
        train(
            tiny_recipe(1).model_copy(update={"seed": seed}),
            sources,
            folder / str(seed),
        )
        for seed in (0, 1)
    ]


def test_train_other_seed_gives_other_weights(make_dataset: MakeDataset, tmp_path: Path) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    runs = train_with_two_seeds(sources, tmp_path)
    assert not same(*map(tensors_of, runs))


def test_train_loss_falls_and_checkpoint_says_what_it_is(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=4), "train")]
    recipe = tiny_recipe(10, learning_rate=0.01, backbone_learning_rate=0.01)
    best = train(recipe, sources, tmp_path / "run")
    losses = [float(row["loss"]) for row in read_log(tmp_path / "run")]
    assert sum(losses[-2:]) < 0.7 * sum(losses[:2])
    info = load_checkpoint(best).info
    assert [c.name for c in info.classes] == ["left", "right"]
    assert info.size_hw == (32, 48)
    assert info.licence == "CC0"
    assert info.provenance["data"] == ["Tiny train"]


def test_train_keeps_the_best_by_validation(make_dataset: MakeDataset, tmp_path: Path) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    scores = iter([50.0, 70.0, 60.0])
    best = train(
        tiny_recipe(3, validate_every=1),
        sources,
        tmp_path / "run",
        validate=Validator(lambda model: next(scores)),
    )
    assert not same(tensors_of(best), tensors_of(tmp_path / "run" / "last.safetensors"))
    rows = read_log(tmp_path / "run")
    assert [row["validation_miou"] for row in rows] == ["50.000", "70.000", "60.000"]


def test_train_resume_without_state_is_refused(make_dataset: MakeDataset, tmp_path: Path) -> None:
    sources = [open_dataset(make_dataset(), "train")]
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(tiny_recipe(1), sources, tmp_path / "run", resume=True)


def test_train_resume_with_another_recipe_is_refused(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    train(tiny_recipe(1), sources, tmp_path / "run")
    with pytest.raises(CheckpointError, match="another recipe"):
        train(tiny_recipe(2), sources, tmp_path / "run", resume=True)


@pytest.mark.parametrize(("epoch", "saved"), [(1, False), (2, False), (2, True)])
def test_epoch_that_was_stopped_around_its_saving_has_one_row_in_the_log(
    epoch: int,
    saved: bool,
    make_dataset: MakeDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources, recipe = [open_dataset(make_dataset(count=2), "train")], tiny_recipe(3)
    save = TrainingState.save

    def stopped(state: TrainingState, path: Path, recipe: str) -> None:
        if state.epoch != epoch or saved:
            save(state, path, recipe)
        if state.epoch == epoch:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", stopped)
        with pytest.raises(StoppedError):
            train(recipe, sources, tmp_path / "run")
    begun = (tmp_path / "run" / "state.safetensors").exists()
    train(recipe, sources, tmp_path / "run", resume=begun)
    assert [row["epoch"] for row in read_log(tmp_path / "run")] == ["1", "2", "3"]


def test_run_that_was_stopped_in_its_first_validation_starts_anew(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources, recipe = [open_dataset(make_dataset(count=2), "train")], tiny_recipe(1)

    def stop(_: object) -> float:
        raise StoppedError

    with pytest.raises(StoppedError):
        train(recipe, sources, tmp_path / "run", validate=Validator(stop))
    assert train(recipe, sources, tmp_path / "run").is_file()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "last.safetensors").write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=r"holds last\.safetensors"):
        train(recipe, sources, tmp_path / "own")


def test_train_never_starts_over_an_earlier_run(make_dataset: MakeDataset, tmp_path: Path) -> None:
    sources, run = [open_dataset(make_dataset(count=2), "train")], tmp_path / "run"
    train(tiny_recipe(1), sources, run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(OutputError, match=r"state\.safetensors.*resume it.*another output"):
        train(tiny_recipe(2), sources, run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_train_resume_needs_the_weights_that_the_run_started_from(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources, run = [open_dataset(make_dataset(count=2), "train")], tmp_path / "run"
    first, other = map(load_checkpoint, train_with_two_seeds(sources, tmp_path))
    with pytest.raises(StoppedError):
        train(tiny_recipe(2), sources, run, init=first, progress=stop_in_second_epoch())
    for init in (None, other):
        with pytest.raises(CheckpointError, match=rf"--init with sha256 {first.sha256}.*repeat it"):
            train(tiny_recipe(2), sources, run, init=init, resume=True)
    best = train(tiny_recipe(2), sources, run, init=first, resume=True)
    assert load_checkpoint(best).info.provenance["starts_from"] == first.info.provenance
    with pytest.raises(CheckpointError, match="started from no weights that were passed"):
        train(tiny_recipe(1), sources, tmp_path / "0", init=other, resume=True)


def swap_classes(data: Path) -> None:
    path = data / "dataset.toml"
    text = path.read_text().replace('"left"', '"x"').replace('"right"', '"left"')
    path.write_text(text.replace('"x"', '"right"'))


def ignore_another_index(data: Path) -> None:
    path = data / "dataset.toml"
    path.write_text(path.read_text().replace("ignore_index = 9", "ignore_index = 8"))


def change_a_mask(data: Path) -> None:
    path = next((data / "train" / "masks").iterdir())
    mask = np.array(Image.open(path))
    Image.fromarray(1 - mask % 2).save(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (swap_classes, "classes or their order"),
        (ignore_another_index, "ignore index"),
        (change_a_mask, "images or masks"),
    ],
)
def test_train_resume_needs_the_data_that_the_run_started_with(
    change: Callable[[Path], None], told: str, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data, run = make_dataset(count=2), tmp_path / "run"
    with pytest.raises(StoppedError):
        train(tiny_recipe(2), [open_dataset(data, "train")], run, progress=stop_in_second_epoch())
    change(data)
    with pytest.raises(CheckpointError, match=rf"whose data had other {told}; resuming needs"):
        train(tiny_recipe(2), [open_dataset(data, "train")], run, resume=True)


def test_train_resume_needs_the_data_that_epochs_were_scored_on(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data, run = make_dataset(count=2), tmp_path / "run"
    shutil.copytree(data / "train", data / "val")
    sources, recipe = [open_dataset(data, "train")], tiny_recipe(2, validate_every=1)

    def validate() -> Validator:
        opened = open_validator(DataFolder.named(data), recipe)
        assert opened is not None
        return opened

    with pytest.raises(StoppedError):
        train(recipe, sources, run, progress=stop_in_second_epoch(), validate=validate())
    mask = next((data / "val" / "masks").iterdir())
    kept = mask.read_bytes()
    Image.fromarray(1 - np.array(Image.open(mask)) % 2).save(mask)
    with pytest.raises(CheckpointError, match="whose data had other validation images or masks;"):
        train(recipe, sources, run, resume=True, validate=validate())
    mask.write_bytes(kept)
    train(recipe, sources, run, resume=True, validate=validate())


def test_train_resumes_on_data_that_was_moved(make_dataset: MakeDataset, tmp_path: Path) -> None:
    data, run = make_dataset(count=2), tmp_path / "run"
    with pytest.raises(StoppedError):
        train(tiny_recipe(2), [open_dataset(data, "train")], run, progress=stop_in_second_epoch())
    moved = data.rename(tmp_path / "elsewhere")
    train(tiny_recipe(2), [open_dataset(moved, "train")], run, resume=True)


def test_start_names_backbone_weights_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "folded.npz"
    path.write_bytes(b"one")
    one = start.name_start(None, path)
    path.write_bytes(b"two")
    assert one.startswith("--backbone-weights with sha256 ")
    assert start.name_start(None, path) != one
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        start.name_start(None, path)


def test_train_resume_fetches_no_weights_to_start_from(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def build(*arguments: Any, pretrained: bool, **options: Any) -> torch.nn.Module:
        asked.append(pretrained)
        return build_model(*arguments, pretrained=False, **options)

    monkeypatch.setattr(start, "build_model", build)
    sources, recipe = [open_dataset(make_dataset(count=2), "train")], tiny_recipe(1)
    section = recipe.model.model_copy(update={"pretrained": True})
    recipe = recipe.model_copy(update={"model": section})
    for resume in (False, True):
        train(recipe, sources, tmp_path / "run", resume=resume)
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value * float("nan"), "loss came as nan"),
        (lambda value: value + (value * 0).sqrt(), "gradient's length as nan"),
    ],
)
def test_train_ends_where_the_loss_or_its_gradient_is_not_finite(
    spoil: Callable[[torch.Tensor], torch.Tensor],
    message: str,
    make_dataset: MakeDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources, run = [open_dataset(make_dataset(count=2), "train")], tmp_path / "run"
    forward, calls = SegmentationLoss.forward, []

    def spoilt(self: SegmentationLoss, *arguments: torch.Tensor) -> torch.Tensor:
        calls.append(self)
        value = forward(self, *arguments)
        return spoil(value) if len(calls) == 2 else value

    monkeypatch.setattr(SegmentationLoss, "forward", spoilt)
    with pytest.raises(ConfigError, match=rf"epoch 2, step 1: .*{message}.*learning_rate"):
        train(tiny_recipe(2), sources, run)
    assert [row["epoch"] for row in read_log(run)] == ["1"]
    assert all(tensor.isfinite().all() for tensor in tensors_of(run / "last.safetensors").values())


def test_train_init_starts_from_the_checkpoint_but_for_another_classifier(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    first = load_checkpoint(train(tiny_recipe(1), sources, tmp_path / "first"))
    other = build_model(NAME, 5)
    fresh = other.classifier.weight.clone()
    load_initial_weights(other, first)
    assert torch.equal(other.backbone.conv_stem.weight, first.tensors["backbone.conv_stem.weight"])
    assert torch.equal(other.classifier.weight, fresh)
    with pytest.raises(CheckpointError, match="does not fit the network to be trained"):
        load_initial_weights(build_model("efficientnet_lite0", 2), first)


def test_train_fewer_images_than_a_batch_is_refused(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=1), "train")]
    advice = r"add images, or show each several times with data\.repeat"
    with pytest.raises(DataError, match=f"1 crops, fewer than the batch of 2; {advice}$"):
        train(tiny_recipe(1), sources, tmp_path / "run")
    sources *= 3
    with pytest.raises(DataError, match=f"of 4; {advice}, or lower optimiser.batch_size$"):
        train(tiny_recipe(1, batch_size=4), sources, tmp_path / "run")


def test_moving_average_early_follows_the_weights_and_late_keeps_the_past() -> None:
    for done, kept in ((1, 2 / 11), (10_000, 0.998)):
        averaged, current = torch.tensor([1.0]), torch.tensor([0.0])
        moving_average(0.998)([averaged], [current], torch.tensor(done))
        assert averaged.item() == pytest.approx(kept)


def test_load_recipe_unknown_key_names_the_closest(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[optimiser]\nlearning_rat = 0.1\n")
    with pytest.raises(
        ConfigError, match=r"unknown key 'optimiser\.learning_rat'; did you mean 'learning_rate'"
    ):
        load_recipe_as(Recipe, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[optimiser]\nepochs = 0\n", "optimiser.epochs came as 0"),
        ("[data]\nrendered_share = 1.0\n", "data.rendered_share came as 1.0"),
        (
            "[teacher]\nscales = [1.0, inf]\n",
            r"teacher.scales.1 came as inf; input should be a finite number",
        ),
        ("epochs = [", "not readable TOML"),
    ],
)
def test_load_recipe_wrong_value_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe_as(Recipe, path)


def test_load_recipe_shipped_recipes_are_valid() -> None:
    recipes = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.toml"))
    assert recipes
    kinds = {
        "int8": QatRecipe,
        "pruned": PruneRecipe,
        "compress": CompressRecipe,
    }
    for path in recipes:
        kind = kinds.get(path.stem.rpartition("-")[2], Recipe)
        recipe = load_recipe_as(kind, path)
        if not isinstance(recipe, CompressRecipe):
            of_paper = int(path.stem.startswith("voc"))  # its crops are of 513x513
            assert [side % 16 for side in recipe.data.crop_hw] == [of_paper] * 2
            assert [side % 16 for side in recipe.data.size_hw] == [0, 0]


@pytest.mark.parametrize(("batch", "processes"), [(3, 2), (2, 2), (4, 3)])
def test_batch_that_processes_cannot_share_is_refused(
    batch: int, processes: int, make_dataset: MakeDataset
) -> None:
    recipe = tiny_recipe(batch_size=batch)
    source = open_dataset(make_dataset(count=6), "train")
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    accelerator = SimpleNamespace(num_processes=processes)
    with pytest.raises(DataError, match="two images or more for each"):
        build_loader(crops, recipe, 0, accelerator)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size_hw", "asked", "crop_hw"),
    [
        ((96, 128), None, (96, 128)),
        ((368, 480), None, (352, 352)),
        ((96, 480), None, (96, 352)),
        ((96, 128), (64, 64), (64, 64)),
    ],
)
def test_crops_follow_the_size_where_the_recipe_does_not_say(
    make_dataset: MakeDataset,
    size_hw: tuple[int, int],
    asked: tuple[int, int] | None,
    crop_hw: tuple[int, int],
) -> None:
    recipe = Recipe.model_validate({"data": {"size_hw": size_hw, "crop_hw": asked}})
    source = open_dataset(make_dataset(count=1), "train")
    image, mask = build_crops([source], recipe, describe_run(recipe, [source]))[0]
    assert (image.shape, mask.shape) == ((3, *crop_hw), crop_hw)
    assert recipe.with_crops_for(size_hw).data.crop_hw == crop_hw


def test_train_records_the_crops_that_it_chose_and_resumes_with_them(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources = [open_dataset(make_dataset(count=2), "train")]
    unsaid = tiny_recipe(2)
    unsaid = unsaid.model_copy(update={"data": unsaid.data.model_copy(update={"crop_hw": None})})
    with pytest.raises(StoppedError):
        train(unsaid, sources, tmp_path / "run", progress=stop_in_second_epoch())
    said = unsaid.with_crops_for((32, 48))
    best = load_checkpoint(train(said, sources, tmp_path / "run", resume=True))
    assert best.info.provenance["recipe"]["data"]["crop_hw"] == [32, 48]


def camvid_classes(names: Sequence[str]) -> str:
    tables = [f'[[classes]]\nname = "{name}"\ncolor = [0, 0, 0]\n' for name in names]
    return "".join(['name = "Other"\nignore_index = 255\n', *tables])


@pytest.mark.parametrize("names", [("left", "right"), RENDERED_CLASSES[::-1]])
def test_train_with_rendered_scenes_in_other_classes_names_both(
    make_dataset: MakeDataset, tmp_path: Path, names: Sequence[str]
) -> None:
    folder = make_dataset(count=2)
    (folder / "dataset.toml").write_text(camvid_classes(names))
    recipe = tiny_recipe(1)
    data = recipe.data.model_copy(update={"rendered_share": 0.5})
    with pytest.raises(
        ConfigError,
        match=rf"rendered_share 0\.5 came with Other train, whose classes are {names[0]}, .*rendered street .*sky, ",
    ):
        train(
            recipe.model_copy(update={"data": data}),
            [open_dataset(folder, "train")],
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_crops_with_rendered_scenes_in_their_own_classes_show_them(
    make_dataset: MakeDataset,
) -> None:
    folder = make_dataset(count=2)
    (folder / "dataset.toml").write_text(camvid_classes(RENDERED_CLASSES))
    source = open_dataset(folder, "train")
    recipe = Recipe.model_validate({"data": {"rendered_share": 0.5, "crop_hw": (32, 32)}})
    crops = build_crops([source], recipe, describe_run(recipe, [source]))
    assert len(crops) == 4
    shown = set(torch.cat([crops[i][1].unique() for i in (2, 3)]).tolist())
    assert shown - {0, 1, 255}, "classes that the folder's masks do not hold"


def test_recipe_options_are_what_the_network_consists_of() -> None:
    section = ModelSection(
        name="resnet50",
        output_stride=8,
        options={"decoder": {"blocks": 1}, "multi_grid": [1, 2, 4]},
    )
    spec = choose_spec(section)
    assert (spec.name, spec.output_stride) == ("deeplabv3plus_resnet50", 8)
    assert spec.decoder is not None
    assert spec.decoder.blocks == 1
    assert spec.multi_grid == (1, 2, 4)


def test_recipe_without_a_stride_has_the_networks_own() -> None:
    assert choose_spec(ModelSection(name="deeplabv1_largefov_vgg16")).output_stride == 8


def test_train_options_that_the_network_cannot_have_are_refused_before_any_work(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    sources, recipe = [open_dataset(make_dataset(count=2), "train")], tiny_recipe(1)
    section = recipe.model.model_copy(update={"options": {"decoder": {"blocks": 9}}})
    with pytest.raises(ConfigError, match=rf"{NAME} .*decoder.blocks came as 9"):
        train(recipe.model_copy(update={"model": section}), sources, tmp_path / "run")
    assert not (tmp_path / "run").exists()
