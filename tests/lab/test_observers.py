import pytest

from edge_deeplab.checker.rules import load_profile, profile_names
from edge_deeplab.errors import ConfigError
from edge_deeplab.lab.observers import all_observers, demand_observers


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
