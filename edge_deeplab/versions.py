"""Versions of the packages that exports depend on: those that were tested, and those that are installed."""

from importlib.metadata import PackageNotFoundError, version

from edge_deeplab.errors import MissingDependencyError
from edge_deeplab.targets import TARGETS, TargetName

__version__ = "0.1.0"

TESTED: dict[str, str] = {
    "torch": "2.13.0",
    "timm": "1.0.31",
    "numpy": "2.4.6",
    "onnx": "1.23.2",
    "onnxscript": "0.7.2",
    "onnxsim": "0.8.1",
    "onnxruntime": "1.31.1",
    "litert-torch": "0.10.0",
    "ai-edge-litert": "2.3.0",
    "coremltools": "9.0",
    "executorch": "1.5.1",
    "coreai-torch": "0.4.3",
    "coreai-core": "1.0.0b3",
}
"""The set that the exports were measured with (the constraints file pins the same)."""


def installed_version(package: str) -> str | None:
    """Return the installed version of a package without its build tag ("2.13.0+cpu" is 2.13.0); None when absent."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return None


def installed_versions(*packages: str) -> dict[str, str]:
    """Return the versions of those of the packages that are installed."""
    found = {package: installed_version(package) for package in packages}
    return {package: number for package, number in found.items() if number is not None}


def check_installed(target: TargetName) -> None:
    """Check that a target's packages are installed.

    Args:
        target: a key of `TARGETS`.

    Raises:
        MissingDependencyError: naming the first that is not, and the extra.
    """
    for package in TARGETS[target].packages:
        if installed_version(package) is None:
            raise MissingDependencyError(package, extra=target)
