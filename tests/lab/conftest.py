"""A tool that is none: an environment as the lab would have made it, and a script that behaves as a test wants."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from edge_deeplab.lab import devices, environments, observers
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.tools import Licence, Tool
from tests.tiny_files import onnx_path, tflite_path, tiny

__all__ = ["onnx_path", "tflite_path", "tiny"]

DEVICE = "ethos-u85-512"
"""A profile that stands for the fake tool's device."""


class FakeTool:
    """The tool, its environment and its script."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "fake.py"
        self.tool = Tool(
            "fake", "Fake Compiler", "fake-compiler", Licence("none", "https://example.org"),
            str(self.script), ("fake-compiler==1.0",),
        )  # fmt: skip
        self.answers('{"left": {}, "partitions": 1}')

    def says(self, body: str) -> None:
        """Let the script have a body."""
        self.script.write_text(dedent(body))

    def answers(self, answer: str) -> None:
        """Let the script compile every file with one answer, a Python expression."""
        self.says(
            f"""
            def version():
                return {{"version": "1.0"}}
            def compile(path, device, folder):
                return {answer}
            """
        )

    def install(self, version: str = "1.0") -> Path:
        """Make the environment with a version of the tool."""
        place = environments.environment_of(self.tool)
        packages = place / "lib" / "python3" / "site-packages"
        for folder in (place / "bin", packages / f"fake_compiler-{version}.dist-info"):
            folder.mkdir(parents=True)
        about = packages / f"fake_compiler-{version}.dist-info" / "METADATA"
        about.write_text(f"Metadata-Version: 2.1\nName: fake-compiler\nVersion: {version}\n")
        (place / "bin" / "python").symlink_to(sys.executable)
        return place


@pytest.fixture(autouse=True)
def lab_folder(tmp_path, monkeypatch):
    """Keep the lab of whoever runs the tests out of them."""
    monkeypatch.setenv(environments.FOLDER_VARIABLE, str(tmp_path / "lab"))
    return tmp_path / "lab"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A fake tool that knows one device; not installed yet."""
    made = FakeTool(tmp_path)
    monkeypatch.setattr(observers, "TOOLS", {"fake": made.tool})
    monkeypatch.setattr(devices, "DEVICES", {DEVICE: Device("fake", "fake-1")})
    monkeypatch.setattr(observers, "DEVICES", devices.DEVICES)
    return made
