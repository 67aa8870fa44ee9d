import json

import pytest
from typer.testing import CliRunner

from edge_deeplab.checker.rules import load_profile, profile_names
from edge_deeplab.cli.app import app
from edge_deeplab.errors import ConfigError
from edge_deeplab.formats.read import read_graph
from edge_deeplab.lab import observers
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.observers import all_observers, demand_observers
from tests.lab.conftest import DEVICE


def test_every_profile_names_an_observer_that_there_is():
    named = {load_profile(name).observed_by for name in profile_names()} - {None}
    assert named == set(all_observers())
    assert {name: observer.name for name, observer in all_observers().items()} == {
        name: name for name in named
    }


def test_demand_observers_of_core_ml_asks_for_a_macs_answer(tmp_path):
    with pytest.raises(
        ConfigError, match=r"coreml-ane-a14 .*the Mac's script.*merge what it wrote"
    ):
        demand_observers([tmp_path / "a.mlpackage"], [])


@pytest.fixture
def observing(fake, monkeypatch):
    """The fake tool in the place of the one that the rules of its device name."""
    monkeypatch.setattr(observers, "TOOLS", {"vela": fake.tool})
    monkeypatch.setattr(observers, "DEVICES", {DEVICE: Device("vela", "fake-1")})
    return fake


def test_check_shows_what_a_tool_did_beside_what_is_predicted(observing, tflite_path):
    observing.install()
    first = read_graph(tflite_path).operators[0]
    observing.answers(f"{{'left': {{{first.name!r}: 'no kernel'}}, 'partitions': 3}}")
    command = ["check", str(tflite_path), "--profile", DEVICE, "--observe", "all"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.stderr
    (profile,) = json.loads(done.stdout)["artifacts"][0]["profiles"]
    assert profile["verdicts"][0]["verdict"] == "fallback"  # the compiler's word decides
    assert "no kernel" in profile["verdicts"][0]["reason"]
    seen = profile["observed"]
    assert (seen["tool"], seen["version"]) == ("Fake Compiler", "fake-compiler 1.0")
    assert (seen["partitions"], seen["equal"]) == (3, False)
    assert "the rules say that it does not load" in seen["differences"][0]
    told = " ".join(CliRunner().invoke(app, command).stdout.split())
    assert "Fake Compiler (fake-compiler 1.0 in its own compiler) took" in told
    assert "the rules say that it does not load" in told


def test_check_observe_all_without_the_tool_says_how_to_get_it(observing, tflite_path):
    done = CliRunner().invoke(
        app, ["check", str(tflite_path), "--profile", DEVICE, "--observe", "all"]
    )
    assert done.exit_code == 1
    assert "get it with: edge-deeplab lab --install fake" in " ".join(done.stderr.split())
