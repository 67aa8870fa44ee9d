"""`edge-deeplab models`."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.cli.models import models
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.models import deeplab, family, shipped
from edge_deeplab.models.checkpoint import CheckpointInfo, save_checkpoint
from edge_deeplab.models.family import find_spec

INFO = CheckpointInfo(
    spec=find_spec("deeplabv3plus_efficientnet_lite0"),
    classes=(ClassInfo("sky", (0, 0, 255)), ClassInfo("road", (128, 64, 128))),
    ignore_index=255,
    normalisation=Normalisation((127.0,) * 3, (128.0,) * 3),
    size_hw=(368, 480),
    licence="CC BY-NC 4.0",
    results={"CamVid-11 test": {"miou": 66.04, "size_hw": [368, 480]}},
)


@pytest.fixture
def invoke():
    """Run the command with arguments."""
    app = typer.Typer()
    app.command()(models)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def one_model(monkeypatch):
    """List one model only, where the list is not what is tested."""
    name, member = next(iter(family.FAMILY.items()))
    monkeypatch.setattr(family, "FAMILY", {name: member})


@pytest.fixture(scope="module")
def network():
    """Build the network that is shipped."""
    return deeplab.build_model(INFO.spec, len(INFO.classes))


@pytest.fixture
def ship(tmp_path, monkeypatch, network):
    """Ship one random checkpoint with changed metadata."""

    def put(**changes: object) -> None:
        path = tmp_path / "tiny.safetensors"
        save_checkpoint(path, network, replace(INFO, **changes))
        monkeypatch.setattr(shipped, "shipped_checkpoints", lambda: {"tiny": path})

    return put


def test_models_as_json_lists_every_model_and_the_shipped_checkpoints(invoke, ship):
    ship()
    result = invoke("--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [entry["name"] for entry in document["models"]] == list(family.FAMILY)
    assert document["size_hw"] == [512, 512]
    lite = next(m for m in document["models"] if m["backbone"] == "efficientnet_lite0")
    assert 3.8e6 < lite["parameters"] < 3.9e6
    assert lite["multiply_adds"] == pytest.approx(6.778e9, rel=0.001)
    assert lite["separable"] is True
    (checkpoint,) = document["checkpoints"]
    assert checkpoint["name"] == "tiny"
    assert checkpoint["results"]["CamVid-11 test"]["miou"] == 66.04
    assert checkpoint["parameters"] == lite["parameters"] - 19 * 257  # 2 classes instead of 21


def test_models_are_counted_at_the_size_and_stride_that_are_asked_for(invoke, ship, one_model):
    ship()
    own = json.loads(invoke("--json").stdout)
    other = json.loads(invoke("--json", "--size", "256x512", "--output-stride", "8").stdout)
    assert other["size_hw"] == [256, 512]
    assert other["models"][0]["output_stride"] == 8
    for kind in ("models", "checkpoints"):
        square, counted = (document[kind][0]["multiply_adds"] for document in (own, other))
        assert square / 2 < counted != square, kind
    assert (own["output_stride"], other["output_stride"]) == (None, 8)
    assert "multiply-adds at 256x512 and stride 8" in " ".join(
        invoke("--size", "256x512", "--output-stride", "8").stdout.split()
    )
    refused = invoke("--output-stride", "7")
    assert refused.exit_code == 2
    assert "output stride 7 is not one of 8, 16, 32" in refused.stderr


def test_models_for_people_shows_cost_and_measured_scores(invoke, ship, one_model):
    ship()
    text = invoke().stdout
    assert "deeplabv3plus_mobilenetv2_100" in text
    assert "CamVid-11 test 66.04" in text
    assert "CC BY-NC 4.0" in text


def test_models_says_terms_that_checkpoints_share_once(invoke, ship, one_model, monkeypatch):
    ship()
    (path,) = shipped.shipped_checkpoints().values()
    monkeypatch.setattr(shipped, "shipped_checkpoints", lambda: {"tiny": path, "tinier": path})
    text = invoke().stdout
    assert text.count("CamVid-11 test 66.04") == 2
    assert text.count("CC BY-NC 4.0") == 1


def test_models_with_an_unmeasured_checkpoint_says_so(invoke, ship, one_model):
    ship(results={})
    assert "not measured" in invoke().stdout


def test_models_without_shipped_checkpoints_says_so(invoke, monkeypatch, one_model):
    monkeypatch.setattr(shipped, "shipped_checkpoints", dict)
    assert "no checkpoint is shipped" in invoke().stdout
