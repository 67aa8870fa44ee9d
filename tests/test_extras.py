"""What each extra brings: everything that is imported is declared, and what is missing names the extra to install."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_deeplab.extras import missing_dependency
from edge_deeplab.lab.tools import WORKERS
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
    assert result.stderr.strip() == (
        f"error: {module} is not installed and this step needs it; "
        "install it with: pip install 'edge-deeplab[train]'"
    )
