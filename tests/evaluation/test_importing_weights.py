"""Weights of another project as a checkpoint: what it says of itself, and what is refused before any work."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import edge_deeplab as ed
from edge_deeplab.cli.app import app
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.evaluation.importing import ImportRequest, import_checkpoint
from edge_deeplab.models.checkpoint import load_checkpoint
from tests.models.foreign.networks import their_tensors

CONFIG: dict[str, Any] = {
    "architectures": ["MobileNetV2ForSemanticSegmentation"],
    "output_stride": 16,
    "id2label": {"0": "road", "1": "sky", "2": "car"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of transformers: weights and their configuration."""
    beside = {"mobilenet_v2.conv_1x1.convolution.weight": torch.zeros(1)}
    save_file(their_tensors("hf", CONFIG) | beside, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def request(folder: Path, **fields: Any) -> ImportRequest:
    told: dict[str, Any] = {
        "file": folder / "model.safetensors",
        "output": folder / "a.safetensors",
        "source": "hf",
    }
    return ImportRequest(**told | fields)


def test_checkpoint_says_what_the_configuration_says(folder: Path) -> None:
    result = import_checkpoint(request(folder, licence="research only"))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    checkpoint = load_checkpoint(result.checkpoint)
    assert checkpoint.info.spec.batch_norm_eps == 1e-3
    assert [c.name for c in checkpoint.info.classes] == ["road", "sky", "car"]
    assert checkpoint.info.normalisation == Normalisation((127.5,) * 3, (127.5,) * 3)
    assert checkpoint.info.size_hw == (512, 512)
    assert checkpoint.info.provenance["imported"] == {
        "file": "model.safetensors",
        "sha256": digest,
        "licence": "research only",
    }
    assert result.beside == {"mobilenet_v2.conv_1x1": 1}
    assert checkpoint.build()(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)


def test_what_is_said_replaces_what_the_source_has(folder: Path) -> None:
    own = Normalisation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    info = import_checkpoint(request(folder, normalisation=own, size_hw=(64, 96))).info
    assert (info.normalisation, info.size_hw) == (own, (64, 96))


def test_other_classes_keep_rows_by_name(folder: Path) -> None:
    (folder / "wanted.txt").write_text("car\nperson\n")
    result = import_checkpoint(request(folder, classes=folder / "wanted.txt"))
    assert (result.fresh, result.dropped) == (("person",), ("road", "sky"))
    theirs = their_tensors("hf", CONFIG)["segmentation_head.classifier.convolution.weight"]
    tensors = load_checkpoint(result.checkpoint).tensors
    assert tensors["classifier.weight"].shape == (2, *theirs.shape[1:])


def test_training_that_starts_from_it_trains_its_network(
    folder: Path, make_dataset: Callable[..., Path]
) -> None:
    start = import_checkpoint(request(folder)).checkpoint
    make_dataset("val", count=2)
    recipe = {
        "data": {"size_hw": (32, 48), "crop_hw": (32, 32), "scale": (1.0, 1.0)},
        "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
    }
    data, output = make_dataset("train", count=2), folder / "run"
    trained = ed.train(data, output, recipe=recipe, init=start, workers=0)
    info = load_checkpoint(Path(trained.checkpoint)).info
    assert info.spec == load_checkpoint(start).info.spec
    assert info.normalisation == Normalisation((127.5,) * 3, (127.5,) * 3)
    with pytest.raises(ConfigError, match="an imported network, which is what is trained"):
        ed.train(data, output, recipe=recipe, init=start, model="deeplabv3_resnet50")


def test_configuration_of_another_network_is_refused(folder: Path) -> None:
    labels = {"0": "road", "1": "sky"}
    (folder / "other.json").write_text(json.dumps({**CONFIG, "id2label": labels}))
    with pytest.raises(CheckpointError, match="scores 3 classes, and its configuration names 2"):
        import_checkpoint(request(folder, spec=folder / "other.json"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"source": "keras"}, "unknown source 'keras'"),
        ({"source": None}, r"or the source of its weights \(smp, "),
        ({"source": None, "file": Path("a.tflite"), "spec": "x"}, "came with no source"),
        ({"source": None, "file": Path("a.tflite"), "size_hw": (1, 1)}, "came with no source"),
        ({"data": Path("data")}, "data came with weights from hf"),
    ],
)
def test_what_does_not_go_together_is_refused(
    folder: Path, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        request(folder, **fields)


def test_command_tells_what_is_left_out(folder: Path) -> None:
    line = ["import", str(folder / "model.safetensors"), "--from", "hf"]
    result = CliRunner().invoke(app, [*line, "--output", str(folder / "a.safetensors")])
    assert result.exit_code == 0, result.stderr
    assert "no part in the map of classes: mobilenet_v2.conv_1x1 (1)" in result.stdout
    assert "3 classes, made for 512x512" in result.stdout
