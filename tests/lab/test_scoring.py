"""Parity on a device: the tool's class maps are what is scored."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.errors import ArtifactError, ConfigError, ToolError
from edge_deeplab.evaluation import parity
from edge_deeplab.lab import devices
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.scoring import DeviceParityRequest
from tests.evaluation.conftest import ReadingRuntime, describe
from tests.lab.conftest import DEVICE

BRIGHTEST = "(given[..., 1] > given[..., 0]).astype('int32')"


@pytest.fixture
def score(executing, monkeypatch, make_dataset, halves_path, tmp_path):
    """Return a function that runs the command on the fake tool's device."""
    data = make_dataset("test", 2, (16, 16))
    monkeypatch.setattr(
        parity,
        "open_reference",
        lambda path, size_hw, canonical: Brightest(
            path, size_hw, describe(("left", "right")), name="reference"
        ),
    )
    class_map = tmp_path / "map.toml"
    class_map.write_text('[map]\n0 = "left"\n1 = "right"\n')

    def run(*arguments):
        return CliRunner().invoke(
            app,
            ["parity", str(halves_path), "--data", str(data), "--class-map", str(class_map),
             *arguments],
        )  # fmt: skip

    return run


class Brightest(ReadingRuntime):
    """The reference: which of red and green is brighter."""

    def predict(self, images):
        return (images[..., 1] > images[..., 0]).astype("uint8")

    def close(self):
        pass


def test_parity_on_a_device_scores_what_its_tool_gives(score, fake):
    fake.runs(BRIGHTEST)
    (artifact,) = json.loads(score("--on", DEVICE, "--json").stdout)["artifacts"]
    assert (artifact["error"], artifact["pixel_agreement"], artifact["miou"]) == (None, 1, 100)
    assert artifact["runtime"] == "fake-compiler 1.0 for fake-1"
    fake.runs("np.zeros(given.shape[:3], np.int32)")
    done = score("--on", DEVICE, "--limit", "2")
    assert done.exit_code == 1
    assert "parity on 2 images" in done.stdout
    assert re.search(rf"halves.tflite on {DEVICE}: \d+\.\d\d s a picture here", done.stdout)


def test_parity_on_a_device_that_fails_is_a_failed_file(score, fake):
    fake.runs("1 / 0")
    done = score("--on", DEVICE)
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("ethos-u85-51", "did you mean"),
        ("ethos-u55-128", "compiles files and does not run them"),
    ],
)
def test_parity_on_what_runs_no_files_is_a_usage_error(score, device, told):
    done = score("--on", device)
    assert done.exit_code == 2
    assert "--on" in done.stderr
    assert told in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "option", [{"runtime": "interpreter"}, {"explain": True}, {"plot": Path("a.png")}]
)
def test_parity_on_a_device_refuses_what_is_of_files_in_their_own_runtime(executing, option):
    with pytest.raises(ConfigError, match=f"{next(iter(option))}, .* came with on {DEVICE}"):
        DeviceParityRequest(on=DEVICE, **option)


def test_parity_on_a_device_without_its_tool_says_how_to_get_it(lab, monkeypatch, fake):
    monkeypatch.setitem(devices.DEVICES, DEVICE, Device("fake", "fake-1", executes=True))
    with pytest.raises(ToolError, match="fake is not installed; get it with"):
        DeviceParityRequest(on=DEVICE)


def test_parity_on_a_device_names_files_of_another_format(executing):
    request = DeviceParityRequest(on=DEVICE)
    for name in ("a.onnx", "a.safetensors"):
        with pytest.raises(ArtifactError, match=f"{name} was to be run on .* takes .tflite files"):
            request.open_file(Path(name))


def test_replay_on_a_device_keeps_what_its_tool_gives(
    executing, fake, make_dataset, write_halves, tmp_path
):
    """Two pictures, left red and right green, on the fake tool's device, then scored as its class maps."""
    fake.runs(BRIGHTEST)
    data, masks = make_dataset("test", 2, (16, 16)), tmp_path / "masks"
    file = write_halves()
    done = CliRunner().invoke(
        app,
        [
            "demo",
            str(file),
            "--replay",
            str(data),
            "--output",
            str(masks),
            "--on",
            DEVICE,
            "--json",
        ],
    )
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["runtime"], document["version"]) == ("fake-compiler", "1.0 for fake-1")
    assert document["accelerator"] == {"asked": DEVICE, "got": "not told"}
    ids = np.asarray(Image.open(masks / "0.png"))
    assert (ids[:, 0].max(), ids[:, -1].min()) == (0, 1)
