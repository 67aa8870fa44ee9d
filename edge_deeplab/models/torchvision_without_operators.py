"""Lets torchvision import beside a torch build that its compiled operators do not match.

torchvision built for CUDA cannot load its extension beside a CPU-only torch, and `import torchvision` then fails with
"operator torchvision::nms does not exist". Only two submodules need those operators; with empty modules in their place
everything that this package uses (through timm) works. timm imports torchvision: get it with `load_timm`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from edge_deeplab.errors import require

_NEED_OPERATORS = ("torchvision._meta_registrations", "torchvision._autograd_registrations")


def load_timm() -> Any:
    """Return the package timm.

    Raises:
        MissingDependencyError: when it is not installed.
    """
    import_torchvision()
    return require("timm", package="timm", extra="train")


def import_torchvision() -> None:
    """Import torchvision, standing in for its operator registrations only when its extension cannot load."""
    if "torchvision" in sys.modules:
        return
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _forget_partial_import()
        for name in _NEED_OPERATORS:
            sys.modules[name] = ModuleType(name)
        import_module("torchvision")


def _forget_partial_import() -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]
