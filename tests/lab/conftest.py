"""A tool that is none: an environment as the lab would have made it, and a script that behaves as a test wants."""

import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from edge_deeplab.converters.tflite_sizes import unite_tflite
from edge_deeplab.lab import devices, environments, matrix, observers, tools
from edge_deeplab.lab.devices import Device
from edge_deeplab.lab.matrix import LabRequest, run_lab
from edge_deeplab.lab.tools import Licence, Tool
from tests.progress import Heard
from tests.tiny_files import onnx_path, tflite_path, tiny

__all__ = ["onnx_path", "tflite_path", "tiny"]

DEVICE = "ethos-u85-512"
"""A profile that stands for the fake tool's device."""
SIZES = ((16, 16), (8, 24))


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

    def runs(self, body: str) -> None:
        """Let the script take every file whole and run it, with an expression of the input `given` as its output."""
        self.says(
            f"""
            import numpy as np
            def version():
                return {{"version": "1.0"}}
            def compile(path, device, folder):
                return {{"left": {{}}}}
            def run(path, device, inputs, outputs, folder):
                given = np.load(inputs)
                np.save(outputs, {body})
                return {{}}
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


@pytest.fixture
def lab(fake, monkeypatch):
    """Return a function that looks at files on the fake tool's device and on one whose tool is missing."""
    table = {DEVICE: Device("fake", "fake-1"), "ethos-u55-128": Device("absent", "")}
    monkeypatch.setitem(tools.TOOLS, "fake", fake.tool)
    monkeypatch.setitem(tools.TOOLS, "absent", tools.TOOLS["vela"])
    for module in (devices, matrix):
        monkeypatch.setattr(module, "DEVICES", table)

    def look(*paths, progress=None, **options):
        return run_lab(LabRequest(artifacts=paths, **options), progress or Heard())

    return look


@pytest.fixture
def executing(lab, monkeypatch, fake):
    """Return a function that also runs files on the fake tool's device."""
    monkeypatch.setitem(matrix.DEVICES, DEVICE, Device("fake", "fake-1", executes=True))
    fake.install()

    def run(*paths, **options):
        meaning = {0: "left", 1: "right"}
        return lab(*paths, devices=(DEVICE,), class_map=meaning, **options)

    return run


@pytest.fixture
def write_halves(tiny, tmp_path):
    """Return a function that writes a TFLite file which gives each pixel's brightest channel, 0 for red."""

    def write(name="halves.tflite", description=None, size_hw=(16, 16)):
        builder = tiny.TFLiteBuilder()
        picture = builder.tensor("picture", (1, *size_hw, 3), "UINT8")
        axis = builder.tensor("axis", (1,), "INT32", data=np.array([3], np.int32))
        classes = builder.tensor("classes", (1, *size_hw), "INT32")
        builder.add(
            "ARG_MAX", [picture, axis], [classes], version=2, options="ArgMaxOptions", outputType=2
        )
        if description is not None:
            builder.describe("edge_deeplab", description.to_json())
        builder.sign([("picture", picture)], [("classes", classes)])
        return builder.save(tmp_path / name, [picture], [classes])

    return write


@pytest.fixture
def halves_path(write_halves):
    """Such a file that says nothing of itself."""
    return write_halves()


@pytest.fixture
def sized_path(write_halves, tmp_path):
    """Such a file of two sizes."""
    parts = [write_halves(f"{size[0]}.tflite", size_hw=size) for size in SIZES]
    unite_tflite(parts, tmp_path / "sized.tflite")
    return tmp_path / "sized.tflite"
