"""`edge-deeplab evaluate` on a random tiny checkpoint and a folder of four pictures."""

import json

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.evaluate import evaluate
from edge_deeplab.data.standard_layouts import VOC_CLASSES
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.models.checkpoint import CheckpointInfo, save_checkpoint
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec

NAMES = ("sky", "road", "car")


@pytest.fixture
def invoke():
    """Run the command with arguments."""
    app = typer.Typer()
    app.command()(evaluate)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write a data set of four 32x48 pictures with sky above road."""
    root = tmp_path_factory.mktemp("data")
    classes = "".join(f'[[classes]]\nname = "{name}"\ncolor = [0, 0, 0]\n' for name in NAMES)
    (root / "dataset.toml").write_text(f'name = "tiny"\nignore_index = 255\n{classes}')
    rng = np.random.default_rng(0)
    mask = np.repeat([0, 1, 255], [16, 14, 2]).astype(np.uint8)[:, None].repeat(48, axis=1)
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
    for index in range(4):
        image = rng.integers(0, 256, (32, 48, 3), np.uint8)
        Image.fromarray(image).save(root / "test" / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / "test" / "masks" / f"{index}.png")
    return root


def write_checkpoint(folder, names):
    """Write an untrained checkpoint of these classes."""
    torch.manual_seed(0)
    info = CheckpointInfo(
        spec=find_spec("deeplabv3plus_mobilenetv2_100"),
        classes=tuple(ClassInfo(name, (0, 0, 0)) for name in names),
        ignore_index=255,
        normalisation=Normalisation((127.0,) * 3, (128.0,) * 3),
        size_hw=(32, 48),
    )
    path = folder / "tiny.safetensors"
    save_checkpoint(path, build_model(info.spec, len(names)), info)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Write an untrained checkpoint of three classes."""
    return write_checkpoint(tmp_path_factory.mktemp("run"), NAMES)


def test_evaluate_as_json_holds_the_contract_keys(invoke, data, checkpoint):
    result = invoke(checkpoint, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert {"miou", "per_class", "pixel_accuracy", "images", "size_hw", "seconds"} <= set(document)
    assert list(document["per_class"]) == list(NAMES)
    assert 0 <= document["miou"] <= 100
    assert 0 <= document["pixel_accuracy"] <= 1
    assert (document["images"], document["size_hw"]) == (4, [32, 48])
    assert document["data"] == "tiny test"


def test_evaluate_reads_a_pascal_voc_folder_as_it_is(invoke, tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000033\n")
    Image.new("RGB", (48, 32)).save(root / "JPEGImages" / "2007_000033.jpg")
    mask = np.repeat([0, 20, 255], [16, 14, 2]).astype(np.uint8)[:, None].repeat(48, axis=1)
    Image.fromarray(mask).save(root / "SegmentationClass" / "2007_000033.png")
    checkpoint = write_checkpoint(tmp_path, VOC_CLASSES)
    result = invoke(checkpoint, "--data", root.parent, "--split", "val", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["data"], document["images"]) == ("PASCAL VOC 2012 val", 1)
    assert list(document["per_class"]) == list(VOC_CLASSES)
    assert document["miou"] is not None


def test_evaluate_options_change_what_is_run(invoke, data, checkpoint):
    options = ("--output-stride", 8, "--scales", "0.5,1", "--flip", "--size", "32x64", "--limit", 1)
    refused = invoke(checkpoint, "--data", data, "--fuse", "sum")
    assert (refused.exit_code, "average, maximum" in refused.stderr) == (2, True)
    result = invoke(checkpoint, "--data", data, *options, "--fuse", "maximum", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["images"], document["size_hw"]) == (1, [32, 64])


def test_evaluate_near_boundaries_tells_each_band_and_draws_them(
    invoke, data, checkpoint, tmp_path
):
    picture = tmp_path / "scores.svg"
    options = ("--data", data, "--trimap", "1,4", "--plot", picture)
    document = json.loads(invoke(checkpoint, *options, "--json").stdout)
    assert [band["width_px"] for band in document["trimap"]] == [1, 4]
    assert sum(map(sum, document["confusion"])) == 4 * 30 * 48, "void is not scored"
    drawn = picture.read_text()
    assert all(word in drawn for word in ("trimap curve", "called", *NAMES))
    told = invoke(checkpoint, *options).stdout
    assert "near label boundaries" in told
    assert "trimap" not in invoke(checkpoint, "--data", data).stdout


def test_evaluate_tells_scores_whose_plot_cannot_be_drawn(
    invoke, data, checkpoint, tmp_path, monkeypatch
):
    def fail(*_):
        raise ValueError("no font")

    monkeypatch.setattr("edge_deeplab.evaluation.evaluate.plot", fail)
    asked = (checkpoint, "--data", data, "--plot", tmp_path / "a.png")
    result = invoke(*asked, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["miou"] >= 0
    assert document["error"].endswith(
        "a.png was not written, the result stands: ValueError: no font"
    )
    assert result.stderr.splitlines()[-1] == f"error: {document['error']}"


def test_evaluate_tells_how_much_time_the_network_took(invoke, data, checkpoint):
    document = json.loads(invoke(checkpoint, "--data", data, "--json").stdout)
    assert 0 < document["network_share"] < 1
    least = document["images"] * document["latency_ms"] / 1000 / document["seconds"] / 2
    assert document["network_share"] > least, "half of the pictures take the median or more"
    assert "% of them inside of the network" in invoke(checkpoint, "--data", data).stdout


def test_evaluate_for_people_shows_every_class(invoke, data, checkpoint):
    result = invoke(checkpoint, "--data", data)
    assert result.exit_code == 0, result.stderr
    assert "tiny.safetensors on 4 images of tiny test" in result.stdout
    assert all(name in result.stdout for name in (*NAMES, "mIoU", "pixel accuracy"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "nowhere"), "data folder nowhere does not exist"),
        (("--data", "DATA", "--split", "val"), "has no split 'val'"),
        (
            ("--data", "DATA", "--class-map", "nowhere.toml"),
            "class map nowhere.toml cannot be used",
        ),
        ((), "tiny.safetensors has the classes sky, road, car, the data set has sky, building"),
    ],
)
def test_evaluate_with_bad_input_is_one_sentence(invoke, data, checkpoint, arguments, sentence):
    result = invoke(checkpoint, *(str(data) if a == "DATA" else a for a in arguments), "--json")
    assert result.exit_code == 1
    assert sentence in json.loads(result.stdout)["error"]
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("lost.safetensors", "neither a file nor a shipped name"), ("lost.onnx", "does not exist")],
)
def test_evaluate_of_a_missing_file_says_so(invoke, data, name, sentence):
    result = invoke(name, "--data", data)
    assert result.exit_code == 1
    assert sentence in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--size", "32"),
        ("--output-stride", 7),
        ("--scales", "zero"),
        ("--normalisation", "127"),
        ("--limit", 0),
        ("tiny.tflite", "--runtime", "tflite"),
    ],
)
def test_evaluate_with_options_that_cannot_be_meant_is_a_usage_error(invoke, arguments):
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("tiny.onnx", "--flip"), "came with an exported file, whose graph is fixed"),
        (("tiny.mlpackage/", "--output-stride", 8), "came with an exported file"),
        (("tiny.safetensors", "--runtime", "compiled-model"), "came with a checkpoint"),
        (("tiny.safetensors", "--threshold", "0.5"), "came with a checkpoint"),
        (("tiny.safetensors", "--normalisation", "0/1"), "came with a checkpoint"),
    ],
)
def test_evaluate_with_options_that_do_not_go_together_ends_with_code_1(
    invoke, arguments, sentence
):
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_evaluate_with_an_unknown_runtime_says_so_as_of_every_unknown_choice(invoke):
    result = invoke("tiny.tflite", "--runtime", "interpreters")
    assert result.exit_code == 2
    told = " ".join(result.stderr.replace("│", "").split())
    assert "unknown runtime 'interpreters' (did you mean 'interpreter'?)" in told
    assert "choose one of: core-ml, mil-reference, interpreter," in told


def test_evaluate_in_another_formats_runtime_says_which_it_runs(invoke, data):
    result = invoke("tiny.onnx", "--runtime", "compiled-model", "--data", data)
    assert result.exit_code == 1
    assert "tiny.onnx was to be run by compiled-model, which runs .tflite files" in result.stderr


def test_evaluate_of_another_projects_file_needs_its_class_map(invoke, data, peers, tmp_path):
    artifact = peers / "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite"
    pytest.importorskip("ai_edge_litert")
    bare = invoke(artifact, "--data", data, "--limit", 1)
    assert bare.exit_code == 1
    assert "carries no self-description" in bare.stderr
    class_map = tmp_path / "map.toml"
    class_map.write_text('[map]\n0 = "road"\n10 = "sky"\n13 = "car"\n')
    result = invoke(artifact, "--data", data, "--limit", 1, "--class-map", class_map, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["size_hw"] == [513, 513]
