"""edge-deeplab: DeepLabV3+ from the training GPU to Core ML, TFLite and ONNX, with proof at every step.

    import edge_deeplab as ed

A function a verb, imported when it is first asked for; `docs/python.md` walks through them.
"""

import sys
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edge_deeplab.versions import __version__ as __version__

__all__ = [
    "bench",
    "check",
    "compress",
    "doctor",
    "evaluate",
    "export",
    "install_lab_tools",
    "lab",
    "lab_tools",
    "load",
    "models",
    "open_artifact",
    "parity",
    "prune",
    "quantize",
    "rank_quantizers",
    "sweep_groups",
    "train",
]

if TYPE_CHECKING:
    from edge_deeplab.api import bench as bench
    from edge_deeplab.api import check as check
    from edge_deeplab.api import compress as compress
    from edge_deeplab.api import doctor as doctor
    from edge_deeplab.api import evaluate as evaluate
    from edge_deeplab.api import export as export
    from edge_deeplab.api import install_lab_tools as install_lab_tools
    from edge_deeplab.api import lab as lab
    from edge_deeplab.api import lab_tools as lab_tools
    from edge_deeplab.api import load as load
    from edge_deeplab.api import models as models
    from edge_deeplab.api import open_artifact as open_artifact
    from edge_deeplab.api import parity as parity
    from edge_deeplab.api import prune as prune
    from edge_deeplab.api import quantize as quantize
    from edge_deeplab.api import rank_quantizers as rank_quantizers
    from edge_deeplab.api import sweep_groups as sweep_groups
    from edge_deeplab.api import train as train


class _Verb(ModuleType):
    """A subpackage with a verb's name (`compress`, `models`): import binds it here, and it stays callable."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return _function(self.__name__.rpartition(".")[2])(*arguments, **keywords)

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self.__name__.rpartition(".")[2]))


class _Face(ModuleType):
    """This module: verbs by name, functions before and after a subpackage of the same name is imported."""

    def __getattr__(self, name: str) -> Any:
        if name in __all__:
            return _function(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value.__class__ = _Verb
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*__all__, *(name for name in vars(self) if name.startswith("__"))})


def _function(name: str) -> Any:
    return getattr(import_module(f"{__name__}.api"), name)


sys.modules[__name__].__class__ = _Face
