"""edge-deeplab: DeepLabV3+ from the training GPU to Core ML, TFLite and ONNX, with proof at every step.

    import edge_deeplab as ed

A function a verb, imported when it is first asked for; `docs/python.md` walks through them.
"""

# ruff: noqa: F403, F405  (for type checkers every name of the api is imported here)
import sys
from importlib import import_module
from inspect import Signature, getdoc, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_type_hints

from edge_deeplab.versions import __version__ as __version__

__all__ = [
    "bench",
    "check",
    "compare_quantization",
    "compress",
    "data",
    "doctor",
    "evaluate",
    "explain_rule",
    "export",
    "import_checkpoint",
    "install_lab_tools",
    "lab",
    "lab_tools",
    "load",
    "measure_flicker",
    "models",
    "open_artifact",
    "parity",
    "prune",
    "quantize",
    "rank_quantizers",
    "replay",
    "report",
    "rewrites",
    "sweep_groups",
    "train",
    "try_lab_tools",
    "wrap",
    "write_contract",
    "write_mac_script",
]

if TYPE_CHECKING:
    from edge_deeplab.api import *


class _Verb(ModuleType):
    # A subpackage with a verb's name (`compress`, `data`, `lab`, `models`, `report`): import binds it here, and to
    # callers it is the verb.

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return getdoc(_function(self.__name__))

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return get_type_hints(_function(self.__name__))

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self.__name__))

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return _function(self.__name__)(*arguments, **keywords)


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
    return getattr(import_module(f"{__name__}.api"), name.rpartition(".")[2])


sys.modules[__name__].__class__ = _Face
