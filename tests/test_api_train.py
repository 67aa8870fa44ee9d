"""The face's training verbs: from what a person names to a checkpoint, with every stage told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_deeplab import api
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.errors import ConfigError, DataError, OutputError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.training.lock import LOCK_FILE, held_alone
from tests.progress import Heard

DATA = {"size_hw": (32, 48), "crop_hw": (32, 32)}
OPTIMISER = {"epochs": 1, "batch_size": 2, "precision": "fp32"}


def recipe(**sections: Any) -> dict[str, Any]:
    return {"data": DATA, "optimiser": OPTIMISER, **sections}


@pytest.fixture
def data(make_dataset: Callable[..., Path]) -> Path:
    make_dataset("val", count=3)
    return make_dataset("train", count=2)


@pytest.fixture
def trained(data: Path, tmp_path: Path) -> Checkpoint:
    model = {"name": "mobilenetv2_100", "pretrained": False}
    best = api.train(data, tmp_path / "float", recipe=recipe(model=model), workers=0).checkpoint
    return api.load(best)


def test_trained_pruned_and_quantized_in_one_process(
    trained: Checkpoint, data: Path, tmp_path: Path
) -> None:
    assert trained.info.model == "deeplabv3plus_mobilenetv2_100"
    heard = Heard()
    pruning = recipe(pruning={"importance": "magnitude"})
    pruned = api.prune(
        trained,
        data=data,
        output=tmp_path / "pruned",
        macs=0.6,
        recipe=pruning,
        workers=0,
        progress=heard,
    )
    assert pruned.pruned.multiply_adds <= 0.6 * pruned.original.multiply_adds
    assert pruned.to_json()["checkpoint"] == str(tmp_path / "pruned" / "best.safetensors")
    assert ("validating float", 3, "images") in heard.stages
    assert ("validating pruned", 3, "images") in heard.stages
    assert heard.advanced["validating pruned"] == 3
    assert heard.notes[-1].startswith("validation mIoU ")
    assert " -> " in heard.notes[-1]

    heard = Heard()
    calibration = recipe(quantization={"calibration_images": 2})
    output = tmp_path / "int8"
    quantized = api.quantize(
        tmp_path / "pruned",
        data=data,
        output=output,
        recipe=calibration,
        workers=0,
        progress=heard,
    )
    assert api.load(output).quantization is not None
    assert quantized.miou is not None
    assert f" -> {quantized.miou:.2f}, best in epoch 1" in heard.notes[-1]
    assert f"validation mIoU {quantized.miou_before:.2f} -> " in heard.notes[-1]
    for stage in ("loading torch", "calibrating: extremes", "calibrating: histograms"):
        assert stage in heard.advanced
    with pytest.raises(OutputError, match="an earlier run"):
        api.quantize(tmp_path / "pruned", data=data, output=output, recipe=calibration)


def test_folder_in_which_a_training_is_at_work_is_left_to_it(
    trained: Checkpoint, data: Path, tmp_path: Path
) -> None:
    calls = (
        lambda output: api.train(data, output, recipe=recipe(), init=trained, workers=0),
        lambda output: api.prune(trained, data=data, output=output, macs=0.6, recipe=recipe()),
        lambda output: api.quantize(trained, data=data, output=output, recipe=recipe(), epochs=0),
    )
    for number, call in enumerate(calls):
        output = tmp_path / f"run{number}"
        with held_alone(output, "training"):
            with pytest.raises(
                OutputError, match=r"another training is at work in .*wait until it ends"
            ):
                call(output)
            assert [path.name for path in output.iterdir()] == [LOCK_FILE]


def test_calibration_alone_is_scored_before_and_after(
    trained: Checkpoint, data: Path, tmp_path: Path
) -> None:
    heard, untrained = Heard(), {"optimiser": {"epochs": 0}}
    quantized = api.quantize(
        trained, data=data, output=tmp_path / "int8", recipe=untrained, progress=heard
    )
    told = f"validation mIoU {quantized.miou_before:.2f} -> {quantized.miou:.2f}"
    assert heard.notes[-1] == told


def test_face_refuses_a_recipe_by_its_key_before_anything_is_made(
    trained: Checkpoint, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "pruned"
    with pytest.raises(ConfigError, match=r"the recipe: unknown key 'pruning.mac'.*'macs'"):
        api.prune(trained, data=data, output=output, recipe={"pruning": {"mac": 0.5}})
    contradiction = {"pruning": {"macs": 0.5, "rounds": 2}, "optimiser": {"epochs": 0}}
    with pytest.raises(ConfigError, match="2 rounds came with 0 epochs"):
        api.prune(trained, data=data, output=output, recipe=contradiction)
    assert not output.exists()


@pytest.mark.parametrize("verb", [api.train, api.quantize, api.prune, api.rank_quantizers])
def test_no_split_at_all_is_refused(verb: Any, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.splits came as"):
        verb(data=data, output=tmp_path / "run", recipe={"data": {"splits": []}})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("chosen", [None, recipe()])
def test_validation_split_without_a_labelled_pixel_is_refused_before_any_training(
    chosen: dict[str, Any] | None, data: Path, tmp_path: Path
) -> None:
    for path in (data / "val" / "masks").iterdir():
        Image.fromarray(np.full((40, 48), 9, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"no mask of Tiny val holds a pixel of any class"):
        api.train(data, tmp_path / "run", recipe=chosen, workers=0)
    assert not (tmp_path / "run").exists()


def test_validation_split_without_images_is_no_absent_one(data: Path, tmp_path: Path) -> None:
    for path in (data / "val" / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"folder .*val/images holds no images"):
        api.train(data, tmp_path / "run", workers=0)


def test_validation_split_is_absent_beside_images_in_no_split(data: Path, tmp_path: Path) -> None:
    (data / "val").rename(data / "held")
    (data / "images").mkdir()
    assert not DataFolder(data).has("val")
    with pytest.raises(DataError, match=r"has no split 'val' .*found: held, train"):
        DataFolder(data).open("val")
