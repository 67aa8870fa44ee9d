"""What lies in a run's folder: the recipe that repeats it, and its curves."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import edge_deeplab as ed
from edge_deeplab.config import PruneRecipe, QatRecipe, Recipe
from edge_deeplab.errors import MissingDependencyError, OutputError
from edge_deeplab.recipes import load_recipe_as, recipe_text
from edge_deeplab.training.curve import CURVE_FILE, draw_curve
from edge_deeplab.training.lock import held_alone
from edge_deeplab.training.log import LOG_FILE, read_log
from edge_deeplab.training.run_folder import RECIPE_FILE
from tests.progress import Heard
from tests.shallow import NAME

MakeDataset = Callable[..., Path]
TINY = {
    "model": {"name": NAME, "pretrained": False},
    "data": {"size_hw": (32, 48), "validation_split": None},
    "optimiser": {"epochs": 2, "batch_size": 2, "warmup_steps": 0, "precision": "fp32"},
}


@pytest.mark.usefixtures("shallow")
def test_recipe_of_a_run_repeats_it_byte_for_byte(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data = make_dataset()
    first = ed.train(data, tmp_path / "first", recipe=TINY, workers=0)
    kept = tmp_path / "first" / RECIPE_FILE
    again = ed.train(data, tmp_path / "again", recipe=kept, workers=0)
    assert again.checkpoint.read_bytes() == first.checkpoint.read_bytes()
    assert (tmp_path / "again" / RECIPE_FILE).read_bytes() == kept.read_bytes()
    with Image.open(tmp_path / "first" / "curve.png") as curve:
        assert curve.size == (960, 540)


@pytest.mark.usefixtures("shallow")
def test_numbers_are_written_for_tensorboard(make_dataset: MakeDataset, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    recipe = {**TINY, "data": {"size_hw": (32, 48), "validation_split": "train"}}
    ed.train(make_dataset(), tmp_path / "run", recipe=recipe, workers=0, tensorboard=True)
    read = events.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [each.step for each in read.Scalars("training loss")] == [1, 2]
    assert [each.step for each in read.Scalars("validation mIoU")] == [2]


@pytest.mark.usefixtures("shallow")
def test_tensorboard_that_is_absent_is_said_before_any_work(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[tensorboard\]"):
        ed.train(make_dataset(), tmp_path / "run", recipe=TINY, workers=0, tensorboard=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe.model_validate({"model": {"options": {"rates": [6, 12]}}, "licence": 'a "b"\\'}),
        QatRecipe.model_validate({"optimiser": {"epochs": 0, "relative_rates": True}}),
        PruneRecipe.model_validate({"pruning": {"macs": 0.5, "sparsity": "2:4"}}),
    ],
)
def test_recipe_that_is_written_reads_as_itself(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(recipe))
    assert load_recipe_as(type(recipe), path) == recipe


@pytest.mark.parametrize("scored", [True, False])
def test_curve_is_drawn_of_a_log_with_and_without_scores(scored: bool, tmp_path: Path) -> None:
    rows = [f"{n},{1 / n:.3f},{50 + n if scored and n % 2 else ''},1.0" for n in range(1, 9)]
    log, path = tmp_path / "log.csv", tmp_path / "curve.png"
    log.write_text(
        "\n".join(
            ["epoch,loss,validation_miou,seconds", *rows, "torn", "9", "10,loss,miou,1", "nan,nan"]
        )
    )
    draw_curve(log, path)
    colours = {color for _, color in Image.open(path).convert("RGB").getcolors(1 << 20) or []}
    assert ((255, 127, 14) in colours) == scored, "matplotlib's second colour"


@pytest.mark.parametrize("text", ["", "step,loss\n1,2\n", "epoch\n1\n2\n"])
def test_log_that_lacks_what_is_drawn_gives_an_empty_curve(text: str, tmp_path: Path) -> None:
    log, path = tmp_path / "log.csv", tmp_path / "curve.png"
    log.write_text(text)
    draw_curve(log, path)
    assert path.is_file()


@pytest.mark.usefixtures("shallow")
def test_curve_that_cannot_be_drawn_is_told_once_and_ends_no_training(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    heard = Heard()
    (tmp_path / "run" / CURVE_FILE).mkdir(parents=True)
    ed.train(make_dataset(), tmp_path / "run", recipe=TINY, workers=0, progress=heard)
    assert len([note for note in heard.notes if note.startswith("curve.png is not drawn")]) == 1
    assert len(read_log(tmp_path / "run" / LOG_FILE)) == 2


def test_folder_in_which_a_run_left_nothing_is_gone_and_another_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "new", "full"):
        with held_alone(tmp_path / name, "training"):
            if name == "full":
                (tmp_path / name / "log.csv").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "there"]
    with (
        held_alone(tmp_path / "full", "training"),
        pytest.raises(OutputError, match="at work"),
        held_alone(tmp_path / "full", "training"),
    ):
        pass


@pytest.mark.parametrize(
    "name", ["best.safetensors", "last.safetensors", "recipe.toml", "run.json", "log.csv"]
)
@pytest.mark.usefixtures("shallow")
def test_new_run_writes_over_no_file_that_was_there(
    name: str, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    there = tmp_path / "run" / name
    there.parent.mkdir()
    there.write_text("of a person")
    with pytest.raises(OutputError, match=rf"holds {name}, and a run would write its own over it"):
        ed.train(make_dataset(), there.parent, recipe=TINY, workers=0)
    assert there.read_text() == "of a person"
    assert [path.name for path in there.parent.iterdir()] == [name]


@pytest.mark.usefixtures("shallow")
def test_run_that_kept_no_epoch_is_begun_anew_in_its_folder(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    def stop(stage: str) -> None:
        if stage.startswith("epoch 1/"):
            raise KeyboardInterrupt

    data, run = make_dataset(), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        ed.train(data, run, recipe=TINY, workers=0, progress=Heard(stop))
    assert {path.name for path in run.iterdir()} >= {RECIPE_FILE, "run.json"}
    ed.train(data, run, recipe=TINY, workers=0, epochs=1)


@pytest.mark.usefixtures("shallow")
def test_new_run_writes_over_nothing_that_it_reads(
    make_dataset: MakeDataset, tmp_path: Path
) -> None:
    data, first = make_dataset(), tmp_path / "first"
    ed.train(data, first, recipe=TINY, workers=0)
    (first / "state.safetensors").unlink()
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    named: dict[str, Any] = {"recipe": TINY, "workers": 0}
    for call in (
        lambda: ed.train(data, first, recipe=first / RECIPE_FILE, workers=0),
        lambda: ed.train(data, first, init=first / "last.safetensors", **named),
        lambda: ed.train(data, first, teacher=first, **named),
        lambda: ed.prune(first, data=data, output=first, macs=0.9),
        lambda: ed.quantize(first, data=data, output=first, epochs=0),
    ):
        with pytest.raises(OutputError, match="is read, and a run would write its own over it"):
            call()
    (tmp_path / "pruned.safetensors").write_bytes(before["best.safetensors"])
    with pytest.raises(OutputError, match=r"pruned\.safetensors is read"):
        ed.prune(tmp_path / "pruned.safetensors", data=data, output=tmp_path, macs=0.9)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
