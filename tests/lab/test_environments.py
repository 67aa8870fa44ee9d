"""What is there of a tool, and making what is missing."""

import subprocess
from dataclasses import replace

import pytest

from edge_deeplab.errors import ConfigError, ToolError
from edge_deeplab.lab import environments
from edge_deeplab.lab.environments import ToolState, inspect_tool, install_tool, lab_folder
from edge_deeplab.lab.tools import TOOLS, Licence
from tests.progress import Heard


def test_inspect_tool_tells_the_five_states(fake):
    assert inspect_tool(fake.tool).state is ToolState.MISSING
    place = fake.install()
    status = inspect_tool(fake.tool)
    assert (status.state, status.named, status.lack) == (
        ToolState.INSTALLED, "fake-compiler 1.0", None,
    )  # fmt: skip
    newer = replace(fake.tool, pins=("fake-compiler==2.0",))
    told = inspect_tool(newer)
    assert told.state is ToolState.OTHER_VERSION
    assert "fake-compiler 1.0 in place of 2.0; get it with" in told.lack
    (place / "bin" / "python").unlink()
    broken = inspect_tool(fake.tool)
    assert (broken.state, broken.python) == (ToolState.BROKEN, None)
    assert "its Python is gone; make it anew" in broken.lack
    elsewhere = inspect_tool(replace(fake.tool, platforms=("plan9-sparc",)))
    assert elsewhere.state is ToolState.UNSUPPORTED
    assert "plan9-sparc was expected" in elsewhere.lack


def test_inspect_tool_calls_an_environment_without_a_package_broken(fake):
    fake.install()
    needing = replace(fake.tool, pins=("fake-compiler==1.0", "other==3.0"))
    assert "other==3.0 is missing there" in inspect_tool(needing).lack


def test_inspect_tool_compares_the_systems_library_and_python(fake, monkeypatch):
    monkeypatch.setattr(environments, "libc_ver", lambda: ("glibc", "2.31"))
    old = inspect_tool(replace(fake.tool, glibc=(2, 35)))
    assert (old.state, "2.35 was expected" in old.lack) == (ToolState.UNSUPPORTED, True)
    assert inspect_tool(replace(fake.tool, glibc=(2, 31))).state is ToolState.MISSING
    young = inspect_tool(replace(fake.tool, python_below=(3, 0)))
    assert "one below 3.0 was expected" in young.lack


def test_inspect_tool_without_a_vulkan_driver_says_which_there_is(fake, monkeypatch):
    fake.install()
    monkeypatch.setattr(environments, "find_driver", lambda: None)
    status = inspect_tool(replace(fake.tool, needs_vulkan=True))
    assert (status.state, status.python) == (ToolState.MISSING, None)
    assert "apt-get install chromium" in status.lack


def test_lab_folder_lies_below_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(environments.FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert lab_folder() == tmp_path / "edge-deeplab" / "lab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert lab_folder() == tmp_path / "home" / ".cache" / "edge-deeplab" / "lab"


def test_install_tool_wants_a_yes_to_terms_that_ask_for_one_and_installs_nothing(fake, lab_folder):
    strict = replace(
        fake.tool, licence=Licence("strict terms", "https://example.org/t", must_accept=True)
    )
    with pytest.raises(ConfigError, match=r"strict terms \(https://example.org/t\).*--accept-lic"):
        install_tool(strict)
    assert not lab_folder.exists()


def test_install_tool_of_an_own_package_has_nothing_to_do():
    own = replace(TOOLS["litert-gpu"], needs_vulkan=False, platforms=())
    told = Heard()
    assert install_tool(own, progress=told).state is ToolState.INSTALLED
    assert "installed already" in told.notes[0]


def test_install_tool_of_another_platform_is_refused():
    with pytest.raises(ToolError, match="does not run on"):
        install_tool(replace(TOOLS["qnn"], platforms=("plan9-sparc",)), accept_licence=True)


def test_install_tool_that_pip_cannot_find_leaves_what_was_there(fake, monkeypatch):
    place = fake.install()
    newer = replace(fake.tool, pins=("fake-compiler==2.0",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(ToolError, match=r"pip could not install it .*fake-compiler==2.0"):
        install_tool(newer)
    assert inspect_tool(fake.tool).state is ToolState.INSTALLED
    assert [entry.name for entry in place.parent.iterdir()] == [place.name]


def test_install_tool_replaces_a_broken_environment_and_says_its_terms_first(fake, monkeypatch):
    (fake.install() / "bin" / "python").unlink()
    ran = []

    def run(command, **_):
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, b"fake-compiler==1.0\n", b"")

    monkeypatch.setattr(environments.subprocess, "run", run)
    monkeypatch.setattr(environments.venv, "create", lambda folder, **_: folder.mkdir())
    told = Heard()
    install_tool(fake.tool, progress=told)
    place = environments.environment_of(fake.tool)
    assert (place / environments.INSTALLED_FILE).read_text() == "fake-compiler==1.0\n"
    assert not (place / "lib").exists()
    assert "none (https://example.org)" in told.notes[0]
    assert ran[0][-1] == "fake-compiler==1.0"


def test_every_tool_pins_its_package():
    for name, tool in TOOLS.items():
        assert tool.name == name
        assert set(tool.alone) <= set(tool.pins)
        assert bool(tool.pins) != bool(tool.extra)
        assert all(pin.count("==") == 1 for pin in tool.pins)
        assert not tool.pins or any(pin.startswith(f"{tool.package}==") for pin in tool.pins)
