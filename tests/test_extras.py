"""What each extra brings: everything that is imported is declared, and what is missing names the extra to install."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from edge_deeplab.extras import WHEELS, Computer, missing_dependency
from edge_deeplab.lab.tools import WORKERS
from edge_deeplab.targets import TARGETS
from edge_deeplab.versions import TESTED, installed_version
from tests.conftest import REPOSITORY

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
FOLDERS = ("edge_deeplab", "converters", "quantization", "demo")
DISTRIBUTIONS = {
    "PIL": "pillow",
    "google": "protobuf",
    "pydensecrf": "pydensecrf2",
    "coreai": "coreai-core",
}
"""Distributions whose modules have other names than they."""
OF_THE_SYSTEM = ("picamera2",)
"""Modules that a board's own system brings, and pip does not."""
IMPORTERS = ("require", "import_module", "find_spec")


def imported(path: Path) -> Iterator[str]:
    """Yield the name of every module that a source file imports, also by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "id", getattr(node.func, "attr", None))
            if called in IMPORTERS:
                yield str(node.args[0].value)


def test_every_imported_distribution_is_declared() -> None:
    optional = PROJECT["optional-dependencies"]
    extras = [optional[extra] for extra in optional if extra not in ("all", "dev")]
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    declared = {re.split(r"[<>=\[]", line)[0] for line in lines}
    own = {*sys.stdlib_module_names, "edge_deeplab", *OF_THE_SYSTEM}
    for file in (file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py")):
        if file.parent == WORKERS:  # they run in their tools' own environments
            continue
        modules = {name.partition(".")[0] for name in imported(file)} - own
        missing = {DISTRIBUTIONS.get(m, m.replace("_", "-")) for m in modules} - declared
        assert not missing, f"{file} imports {missing}"


@pytest.mark.parametrize(
    ("module", "extra"),
    [("accelerate", "train"), ("torch_pruning.importance", "compress"), ("onnxscript", "onnx")],
)
def test_missing_module_names_the_extra_that_installs_it(module: str, extra: str) -> None:
    error = missing_dependency(ModuleNotFoundError("no such module", name=module))
    assert f"pip install 'edge-deeplab[{extra}]'" in str(error)


def test_missing_module_of_no_extra_is_no_missing_dependency() -> None:
    assert missing_dependency(ModuleNotFoundError("no such module", name="edge_deeplab.x")) is None
    assert missing_dependency(ModuleNotFoundError("no such module", name="pytest_of_mine")) is None


def test_wheels_are_those_of_the_tested_versions_of_the_previews() -> None:
    previews = {name for name, target in TARGETS.items() if target.preview}
    assert WHEELS.keys() == previews
    for extra, wheels in WHEELS.items():
        assert wheels.package in TARGETS[extra].packages  # type: ignore[index]
        assert wheels.version == TESTED[wheels.package]
        assert installed_version(wheels.package) in (None, wheels.version)
        if installed_version(wheels.package) is None:
            continue
        told = distribution(wheels.package)
        (tag,) = re.findall(r"^Tag: cp\d+-cp\d+-(\S+)", told.read_text("WHEEL") or "", re.M)
        assert tag in wheels.tags
        (lowest, (major, minor)) = wheels.pythons
        wanted = {f">={'.'.join(map(str, lowest))}", f"<{major}.{minor + 1}"}
        assert {*told.metadata["Requires-Python"].split(",")} == wanted
        assert wheels.take(Computer.this())


@pytest.mark.parametrize(
    ("machine", "extras"),
    [
        (Computer((3, 11), "Linux", "x86-64", (2, 36)), ["executorch", "coreai"]),
        (Computer((3, 14), "macOS", "ARM64", (26, 1)), ["executorch", "coreai"]),
        (Computer((3, 14), "macOS", "ARM64", (15, 2)), ["executorch"]),
        (Computer((3, 12), "Linux", "x86-64", (2, 31)), ["executorch"]),
        (Computer((3, 12), "Linux", "ARM64", (2, 39)), ["executorch"]),
        (Computer((3, 13), "Windows", "x86-64"), ["executorch"]),
        (Computer((3, 15), "Linux", "x86-64", (2, 36)), []),
        (Computer((3, 12), "Linux", "x86-64"), []),  # no glibc
        (Computer((3, 12), "macOS", "x86-64", (15, 2)), []),
    ],
)
def test_wheels_take_the_machines_that_they_are_for(machine: Computer, extras: list[str]) -> None:
    assert [extra for extra, wheels in WHEELS.items() if wheels.take(machine)] == extras


def test_wheels_say_what_there_is_and_whether_it_is_there_here() -> None:
    assert WHEELS["coreai"].told(Computer((3, 13), "Windows", "x86-64")) == (
        "a preview: coreai-core 1.0.0b3 has wheels for Python 3.11 to 3.14 on Linux x86-64 with glibc 2.34 or newer, "
        "macOS 26.0 or newer on ARM64; this machine, Python 3.13 on Windows x86-64, is none of them: it cannot be "
        "installed here"
    )
    there = WHEELS["executorch"].told(Computer((3, 11), "Linux", "x86-64", (2, 36)))
    assert there.endswith(
        "; this machine, Python 3.11 on Linux x86-64 with glibc 2.36, is one of them"
    )
    assert "macOS 14.0 or newer on ARM64, Windows x86-64;" in there


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("accelerate", ["train", "--data", "data", "--output", "run"]), ("torchvision", ["models"])],
)
def test_command_without_a_part_of_its_extra_is_one_sentence(
    module: str, arguments: list[str], tmp_path: Path
) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from edge_deeplab.cli.app import app; app({arguments!r})"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    stages = re.compile(r".+, for \d+ s")  # what takes long is told too
    told = [line for line in result.stderr.splitlines() if not stages.fullmatch(line)]
    assert "\n".join(told) == (
        f"error: {module} is not installed and this step needs it; "
        "install it with: pip install 'edge-deeplab[train]'"
    )
