"""NNCF's quantizers as they are trained: its compiled extension, or torch's own operators where a training is short.

torch builds an extension at its first use, which takes a minute, and marks the build by a file that a killed process
leaves behind; whoever comes next waits for it, and NNCF gives up after a minute, which a busy machine needs for the
build alone. Neither stops a training here.
"""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filelock import FileLock

from edge_deeplab.errors import require

log = logging.getLogger(__name__)

_SHORT = 200
"""Steps before which building costs a CPU more than it gains: torch's operators take half as long again for the
quantizers, which are a part of a step. The recipe decides, not what was built, so that a run has the same numbers
wherever it goes on."""

_TIMEOUT_S = 1800
_TIMEOUT_VARIABLE = "NNCF_EXTENSION_LOAD_TIMEOUT"
_TORCH_LOCK = "lock"
_OUR_LOCK = "edge-deeplab.lock"


def load_quantizers(device: str, steps: int) -> None:
    """Have NNCF's quantizers computed from now on, in this process, by what suits a training.

    Where a compiler is missing a warning is logged, and torch's operators do.

    Args:
        device: "cpu" or "cuda", where it trains.
        steps: that it takes.

    Raises:
        MissingDependencyError: without nncf.
    """
    extensions: Any = require(
        "nncf.torch.quantization.extensions", package="nncf", extra="compress"
    )
    # Its import sets INFO, and it tells on stdout.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    if device == "cpu":
        short = steps < _SHORT
        extensions.QuantizedFunctionsCPU._loaded_namespace = _torch_operators() if short else None
        if short:
            return
    _load_compiled(
        extensions, "QuantizedFunctionsCUDA" if device == "cuda" else "QuantizedFunctionsCPU"
    )


def _torch_operators() -> SimpleNamespace:
    """Return NNCF's functions in torch's operators, one after another."""
    reference: Any = require("nncf.torch.quantization.reference", package="nncf", extra="compress")
    quantize = reference.ReferenceQuantize(reference.ReferenceBackendType.TORCH)
    return SimpleNamespace(Quantize_forward=quantize.forward, Quantize_backward=quantize.backward)


def _load_compiled(extensions: Any, namespace: str) -> None:
    """Build NNCF's extension where that was not done yet, and load it; warn where that fails."""
    loader = getattr(extensions, f"{namespace}Loader")
    folder = Path(loader.get_build_dir())
    os.environ.setdefault(_TIMEOUT_VARIABLE, str(_TIMEOUT_S))
    with FileLock(folder / _OUR_LOCK):  # the system lets go of it when its holder dies
        (folder / _TORCH_LOCK).unlink(missing_ok=True)
        loaded = getattr(extensions, namespace).get("Quantize_forward")
    if loaded is extensions.ReferenceQuantizedFunctions.Quantize_forward:
        log.warning(
            "NNCF's quantizers could not be compiled here (that takes a C++ compiler): training them is slower"
        )
