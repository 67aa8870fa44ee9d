from pathlib import Path

import pytest

from edge_deeplab.lab import vulkan


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without a driver, a GPU or variables that name one."""
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(vulkan, "_SYSTEM", (str(tmp_path / "icd.d"),))
    monkeypatch.setattr(vulkan, "_DEVICES", tmp_path / "dri")
    monkeypatch.setattr(vulkan, "SOFTWARE", tmp_path / "chromium" / "swiftshader.json")


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_find_driver_finds_none_on_a_bare_machine():
    assert vulkan.find_driver() is None


def test_find_driver_takes_the_software_driver_with_its_loader(tmp_path, monkeypatch):
    software = put(tmp_path / "chromium" / "swiftshader.json")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    assert vulkan.find_driver() == {
        "VK_ICD_FILENAMES": str(software),
        "LD_LIBRARY_PATH": f"{software.parent}:/opt/lib",
    }


def test_find_driver_leaves_a_gpus_driver_and_one_that_is_named_alone(tmp_path, monkeypatch):
    put(tmp_path / "chromium" / "swiftshader.json")
    put(tmp_path / "icd.d" / "gpu.json")
    assert vulkan.find_driver() != {}, "a driver without a GPU is none"
    put(tmp_path / "dri" / "renderD128")
    assert vulkan.find_driver() == {}
    monkeypatch.setattr(vulkan, "_SYSTEM", ())
    monkeypatch.setenv("VK_DRIVER_FILES", "/opt/driver.json")
    assert vulkan.find_driver() == {}


def test_driver_state_changes_with_what_is_named_and_with_what_stands_there(tmp_path, monkeypatch):
    own, system = put(tmp_path / "own" / "driver.json"), put(tmp_path / "icd.d" / "gpu.json")
    put(tmp_path / "dri" / "renderD128")
    states = [vulkan.driver_state()]
    system.write_text('{"ICD": "newer"}')
    states.append(vulkan.driver_state())
    monkeypatch.setenv("VK_DRIVER_FILES", str(own))
    states.append(vulkan.driver_state())
    own.write_text('{"ICD": "newer"}')
    states.append(vulkan.driver_state())
    monkeypatch.setenv("VK_DRIVER_FILES", f"/nowhere.json:{own.parent}")
    states.append(vulkan.driver_state())
    put(tmp_path / "own" / "other.json")
    states.append(vulkan.driver_state())
    assert all(states.count(state) == 1 for state in states)
    assert vulkan.driver_state() == states[-1]
