"""NNCF's compiled quantizers, loaded so that neither a build that was killed nor a slow machine stops a training.

torch builds an extension at its first use and marks the build by a file that a killed process leaves behind; whoever
comes next waits for it, and NNCF gives up after a minute, which a busy machine needs for the build alone.
"""

import logging
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

from edge_deeplab.errors import require

log = logging.getLogger(__name__)

_TIMEOUT_S = 1800
_TIMEOUT_VARIABLE = "NNCF_EXTENSION_LOAD_TIMEOUT"
_TORCH_LOCK = "lock"
_OUR_LOCK = "edge-deeplab.lock"


def load_compiled_quantizers(device: str) -> None:
    """Build NNCF's extension for a kind of device where that was not done yet, and load it; warn where that fails.

    Args:
        device: "cpu" or "cuda".

    Raises:
        MissingDependencyError: without nncf.
    """
    extensions: Any = require(
        "nncf.torch.quantization.extensions", package="nncf", extra="compress"
    )
    # Its import sets INFO, and it tells on stdout.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    namespace = "QuantizedFunctionsCUDA" if device == "cuda" else "QuantizedFunctionsCPU"
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
