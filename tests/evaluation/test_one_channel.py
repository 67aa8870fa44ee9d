"""Other people's masks of one class, scored against a data set of two."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.errors import ArtifactError
from edge_deeplab.evaluation.evaluate import Contestant

CLASS_MAP = '[map]\n0 = "sky"\n1 = "road"\n'


@pytest.fixture
def mask_file(tmp_path: Path) -> Path:
    """An ONNX file that gives the mean of a picture's channels as one channel of floats."""
    import onnx
    from onnx import helper

    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[3], keepdims=1)]
    ends = [
        helper.make_tensor_value_info(name, 1, shape)
        for name, shape in (("x", [1, 8, 8, 3]), ("y", [1, 8, 8, 1]))
    ]
    graph = helper.make_graph(nodes, "mask", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "mask.onnx"
    onnx.save(model, path)
    (tmp_path / "map.toml").write_text(CLASS_MAP)
    return path


def evaluate(folder: Path, data: Path, *options: str) -> object:
    named = ("--data", str(data), "--class-map", str(folder / "map.toml"))
    return CliRunner().invoke(
        app,
        [
            "evaluate",
            str(folder / "mask.onnx"),
            *named,
            "--normalisation",
            "0/255",
            *options,
            "--json",
        ],
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures, of which the bright half is road."""
    from PIL import Image

    root = tmp_path / "data"
    for kind in ("images", "masks"):
        (root / "test" / kind).mkdir(parents=True)
    names = "".join(f'[[classes]]\nname = "{n}"\ncolor = [0, 0, 0]\n' for n in ("sky", "road"))
    (root / "dataset.toml").write_text(f'name = "halves"\n{names}')
    mask = np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, axis=0).astype(np.uint8)
    for index in range(2):
        picture = np.stack([40 + 160 * mask] * 3, -1).astype(np.uint8)
        Image.fromarray(picture).save(root / "test" / "images" / f"{index}.png")
        Image.fromarray(mask).save(root / "test" / "masks" / f"{index}.png")
    return root


def test_mask_of_one_channel_is_scored_with_a_threshold_and_refused_without(
    mask_file: Path, data: Path, tmp_path: Path
) -> None:
    scored = evaluate(tmp_path, data, "--threshold", "0.5")
    assert scored.exit_code == 0, scored.stderr
    assert json.loads(scored.stdout)["miou"] == 100.0
    above_all = json.loads(evaluate(tmp_path, data, "--threshold", "0.9").stdout)
    assert above_all["per_class"] == {"sky": 50.0, "road": 0.0}
    refused = evaluate(tmp_path, data)
    assert refused.exit_code == 1
    assert "gives one channel of float32" in json.loads(refused.stdout)["error"]
    assert "pass a threshold: 0.5 of probabilities" in refused.stderr


def test_grey_mask_beside_a_class_map_of_two_ids_is_told_to_take_a_threshold(
    runtime, dataset
) -> None:
    grey = runtime("mask.tflite", description=None, wrong_rows=4, wrong_id=255)
    contestant = Contestant(grey, dataset, {0: "sky", 1: "road"})
    with pytest.raises(ArtifactError, match=r"values up to 255.*pass a threshold, as 128"):
        contestant.segment(dataset[0])
    every = Contestant(grey, dataset, {0: "sky", 1: "road", 2: "car"})
    ids, _ = every.segment(dataset[0])
    assert (ids[:4] == 255).all()
