"""The package as it is built and started: nothing left out of the wheel, nothing heavy behind `--help`."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import edge_deeplab

REPOSITORY = Path(__file__).resolve().parents[1]


def test_packages_list_names_every_folder_with_code() -> None:
    listed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"][
        "packages"
    ]
    found = set()
    for top, prefix in (
        ("edge_deeplab", ""),
        ("converters", "edge_deeplab."),
        ("quantization", "edge_deeplab."),
        ("demo", "edge_deeplab."),
    ):
        for file in (REPOSITORY / top).rglob("__init__.py"):
            found.add(prefix + ".".join(file.parent.relative_to(REPOSITORY).parts))
    assert sorted(listed) == sorted(found)


APPS = ("android", "ios", "macos", "pi")
"""Projects of their own beside the Python demo, which nothing installs."""


def test_package_data_names_every_file_that_is_no_code() -> None:
    setuptools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    own_folder = {name: name.replace(".", "/") for name in setuptools["packages"]}
    own_folder |= {f"edge_deeplab.{top}": top for top in ("converters", "quantization", "demo")}
    listed = {
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in (REPOSITORY / own_folder[package]).glob(pattern)
    }
    found = {
        path
        for top in ("edge_deeplab", "converters", "quantization", "demo")
        for path in (REPOSITORY / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    apps = {path for app in APPS for path in (REPOSITORY / "demo" / app).rglob("*")}
    assert apps
    assert found - listed - apps == set()
    assert not apps & listed
    assert (REPOSITORY / "demo/templates/kotlin/Contract.kt.template") in found


HEAVY = (
    "torch",
    "timm",
    "onnx",
    "onnxruntime",
    "coremltools",
    "ai_edge_litert",
    "litert_torch",
    "torch_pruning",
    "matplotlib",
    "av",
)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["export", "--help"], ["parity", "--help"], ["prune", "--help"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from edge_deeplab.cli.app import app\n"
        f"try: app({arguments!r})\n"
        f"finally: print('heavy:', [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.strip().endswith("heavy: []")


def test_module_and_version_are_one_program() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edge_deeplab", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == edge_deeplab.__version__


@pytest.mark.parametrize("arguments", [["nonsense"], ["export", "--size", "12"], ["check"]])
def test_usage_error_exits_with_2(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edge_deeplab", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""


def test_no_file_is_too_large_for_the_repository() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    sizes = {
        name: (REPOSITORY / name).stat().st_size
        for name in files
        if name and (REPOSITORY / name).is_file()
    }
    assert all(size < 12 << 20 for size in sizes.values())
    assert sum(sizes.values()) < 38 << 20
