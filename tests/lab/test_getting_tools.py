"""`.ci/lab-tools`, which gets the lab's tools: whatever cannot be had is said in a sentence, and nothing fails."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "lab-tools"
DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json"
GSTREAMER = "/usr/bin/gst-launch-1.0"


@pytest.fixture
def get_tools(tmp_path):
    """Return a function that runs the script where programs do what is said here, and no software Vulkan is there."""
    bash = shutil.which("bash")
    script = tmp_path / "lab-tools"
    text = SCRIPT.read_text()
    assert DRIVER in text
    assert GSTREAMER in text
    absent = str(tmp_path / "absent")
    script.write_text(text.replace(DRIVER, absent).replace(GSTREAMER, absent))

    def get(**programs):
        folder = tmp_path / "programs"
        folder.mkdir()
        for name, line in {"edge-deeplab": "exit 1", "id": "echo 0", **programs}.items():
            path = folder / name.replace("_", "-")
            path.write_text(f"#!{bash}\n{line}\n")
            path.chmod(0o755)
        command = [bash, str(script), "edge-deeplab", "vela", "openvino"]
        done = subprocess.run(
            command, env={"PATH": str(folder)}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return get


UNTRIED = [f"{tool} cannot be had here; it is not tried" for tool in ("vela", "openvino")]


def test_lab_tools_without_a_package_manager_and_a_registry_says_so(get_tools):
    driver, gstreamer, *tools = get_tools()
    assert "comes with Debian's chromium, which only root installs" in driver
    assert "comes with Debian's gstreamer1.0-tools" in gstreamer
    assert tools == UNTRIED


def test_lab_tools_of_a_user_who_is_not_root_says_so(get_tools):
    assert "which only root installs" in get_tools(id="echo 1000", apt_get="exit 0")[0]


@pytest.mark.parametrize("code", [0, 100])
def test_lab_tools_where_the_package_manager_has_no_chromium_says_so(get_tools, code):
    driver, gstreamer, *tools = get_tools(apt_get=f"echo E: unreachable >&2; exit {code}")
    assert "apt-get gave no chromium" in driver
    assert "apt-get gave no gstreamer1.0-tools" in gstreamer
    assert tools == UNTRIED


def test_lab_tools_gets_each_tool_by_its_name(get_tools):
    assert get_tools(edge_deeplab='echo "$@"')[2:] == [
        "lab --install vela",
        "lab --install openvino",
    ]
