"""The desk at which the documents' commands are typed: what they name lies there, small, under the names that they use.

The shipped checkpoints' names stand for a shallow network of CamVid's classes, trained on eight rendered scenes, and
recipes are the repository's own at fewer and smaller crops; all else is what a reader would have.
"""

import json
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image

from edge_deeplab.models.shipped_files import shipped_checkpoints
from tests.docs_commands import ROOT

SIZE_HW = (64, 96)
SPLITS = ("train",) * 8 + ("val",) * 2 + ("test",) * 2
"""Of each scene: as many are trained on as a batch has by default."""
_SHIPPED = tuple(shipped_checkpoints())
_SMALL = {
    "size_hw": list(SIZE_HW),
    "crop_hw": [48, 48],
    "rendered_scenes": 2,
    "epochs": 1,
    "round_epochs": 1,
    "batch_size": 2,
    "images": 2,
    "calibration_images": 2,
    "rounds": 1,
}
_FOLDERS = ("camvid", "CAMVID", "street", "photographs", "EVERY12TH")


def write_camvid(folder: Path, size_hw: tuple[int, int] = SIZE_HW) -> Path:
    """Write rendered scenes as a data set of CamVid's classes: eight pictures to train on, two of each other split."""
    from edge_deeplab.data.rendered_set import RenderedDataset

    scenes = RenderedDataset(len(SPLITS))
    height, width = size_hw
    for index, split_name in enumerate(SPLITS):
        split = folder / split_name
        for kind in ("images", "masks"):
            (split / kind).mkdir(parents=True, exist_ok=True)
        sample, name = scenes[index], f"{index}.png"
        Image.fromarray(sample.image_hwc).resize((width, height)).save(split / "images" / name)
        mask = Image.fromarray(np.asarray(sample.mask_ids))
        mask.resize((width, height), Image.Resampling.NEAREST).save(split / "masks" / name)
    classes = [{"name": each.name, "color": list(each.color)} for each in scenes.classes]
    ignored = {} if scenes.ignore_index is None else {"ignore_index": scenes.ignore_index}
    told = {"name": "Small", **ignored, "classes": classes}
    (folder / "dataset.toml").write_text(tomli_w.dumps(told))
    return folder


def write_shipped(folder: Path, network: str) -> None:
    """Write a float checkpoint and its int8 under the names of all that are shipped."""
    data, runs = write_camvid(folder / "data"), folder / "runs"
    recipe = folder / "recipe.toml"
    told = {
        "model": {"name": network, "pretrained": False},
        "data": {"size_hw": list(SIZE_HW), "crop_hw": list(SIZE_HW), "scale": [1.0, 1.0]},
        "optimiser": {"epochs": 20, "batch_size": 4, "learning_rate": 5e-3, "precision": "fp32"},
    }
    recipe.write_text(tomli_w.dumps(told))
    run("train", "--data", data, "--recipe", recipe, "--output", runs / "float")
    best = runs / "float" / "best.safetensors"
    run("qat", best, "--data", data, "--epochs", "0", "--output", runs / "int8")
    (folder / "shipped").mkdir()
    for name in _SHIPPED:
        made = "int8" if name.endswith("-int8") else "float"
        shutil.copy(runs / made / "best.safetensors", folder / "shipped" / f"{name}.safetensors")


def run(*words: object) -> None:
    """Run a command in this process.

    Raises:
        AssertionError: when it does not end with 0; the message is what it wrote.
    """
    from typer.testing import CliRunner

    from edge_deeplab.cli.app import app

    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, f"edge-deeplab {' '.join(map(str, words))}\n{result.output}"


def lay(desk: Path, network: str, lies: tuple[str, ...]) -> None:
    """Put on the desk, which is the working folder, what every document may name and what one expects to lie there."""
    for name in _FOLDERS:
        write_camvid(desk / name)
    (desk / "recipes").mkdir()
    for path in sorted((ROOT / "recipes").glob("*.toml")):
        told = _shrunk(tomllib.loads(path.read_text()), network)
        (desk / "recipes" / path.name).write_text(tomli_w.dumps(told))
    for name in lies:
        path = desk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _MAKERS[name](path)


def _shrunk(table: dict[str, Any], network: str) -> dict[str, Any]:
    """Return a recipe's table with the figures that cost time made small."""
    small: dict[str, Any] = {}
    for key, value in table.items():
        if key == "model":
            small[key] = {"name": network, "pretrained": False}
        elif isinstance(value, dict):
            small[key] = _shrunk(value, network)
        else:
            small[key] = _SMALL.get(key, value)
    return small


def _export(path: Path, *words: str) -> None:
    target = {".tflite": "tflite", ".onnx": "onnx"}[path.suffix]
    folder = path.with_name("made")
    run("export", *words, "--target", target, "--output", folder)
    (made,) = folder.glob(f"*{path.suffix}")
    made.rename(path)
    shutil.rmtree(folder)


def _exports(path: Path) -> None:
    run("export", "--target", "tflite", "--target", "onnx", "--output", path)


def _float_file(path: Path) -> None:
    _export(path)


def _int8_file(path: Path) -> None:
    _export(path, "--precision", "int8")


def _run_of_train(path: Path) -> None:
    run(
        "train",
        "--data",
        "camvid",
        "--init",
        _SHIPPED[0].removesuffix("-int8"),
        "--epochs",
        "1",
        "--output",
        path,
    )


def _run_of_compress(path: Path) -> None:
    recipe = "recipes/camvid-efficientnet-lite0-compress.toml"
    run(
        "compress",
        "camvid-efficientnet-lite0",
        "--data",
        "camvid",
        "--recipe",
        recipe,
        "--output",
        path,
    )


def _masks(path: Path) -> None:
    run("demo", "exports/model.tflite", "--replay", "camvid", "--output", path)


def _video(path: Path) -> None:
    pictures = ("--source", "camvid/test/images", "--headless")
    run("demo", "exports/model.tflite", *pictures, "--record", path)


def _foreign_tflite(path: Path) -> None:
    from tests.models.tflite_files import write_segmenter

    write_segmenter(path)


def _mask_tflite(path: Path) -> None:
    from tests.tiny_files import TFLiteBuilder

    builder = TFLiteBuilder()
    image = builder.tensor("image", (1, *SIZE_HW, 3))
    axis = builder.tensor("axis", (1,), "INT32", data=np.array([3], np.int32))
    mask = builder.tensor("mask", (1, *SIZE_HW, 1))
    builder.add("MEAN", [image, axis], [mask], options="ReducerOptions", keepDims=True)
    builder.save(path, [image], [mask])


def _smp_weights(path: Path) -> None:
    from safetensors.torch import save_file

    from tests.models.foreign.networks import their_tensors

    said = {"_model_class": "DeepLabV3Plus", "encoder_name": "resnet50", "classes": 3}
    save_file(their_tensors("smp", said), path)
    path.with_name("config.json").write_text(json.dumps(said))


def _torchvision_weights(path: Path) -> None:
    import torch

    from tests.models.foreign.networks import their_tensors

    torch.save(their_tensors("torchvision", "deeplabv3_resnet50"), path)


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


_NAMES = "building\nroad\nsky\n"
_MAP = '[map]\n0 = "building"\n1 = "road"\n2 = "sky"\n'
_MAKERS: Mapping[str, Callable[[Path], None]] = {
    "exports": _exports,
    "exports/model.tflite": _float_file,
    "exports/model.onnx": _float_file,
    "exports/model-int8.tflite": _int8_file,
    "exports/model-int8.onnx": _int8_file,
    "int8/model.tflite": _int8_file,
    "int8/model.onnx": _int8_file,
    "runs/camvid": _run_of_train,
    "runs/street": _run_of_train,
    "runs/small": _run_of_compress,
    "masks": _masks,
    "street.mp4": _video,
    "model.safetensors": _smp_weights,
    "deeplabv3.pth": _torchvision_weights,
    "deeplab.tflite": _foreign_tflite,
    "cityscapes.tflite": _foreign_tflite,
    "person.tflite": _mask_tflite,
    "classes.txt": _text(_NAMES),
    "voc.txt": _text(_NAMES),
    "cityscapes-to-camvid.toml": _text(_MAP),
    "person.toml": _text('[map]\n0 = "road"\n1 = "car"\n'),
}
"""Of what documents take for granted, by its path, what makes it."""
