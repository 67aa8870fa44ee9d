"""Import coremltools without what it would import only to convert from it: a second or three instead of nine."""

import sys
from typing import Any

from edge_deeplab.errors import require

_FRAMEWORKS = ("executorch", "sklearn", "tensorflow", "torchao", "transformers", "xgboost")
"""What coremltools imports where it is installed, and needs for networks that come from there alone."""


def import_coremltools(*, converting: bool) -> Any:
    """Return coremltools, imported as if those frameworks were not installed; what is imported already stays.

    Args:
        converting: from torch; else torch is left out too, and a process that has not imported it can only read
            packages from then on.

    Raises:
        MissingDependencyError: without coremltools.
    """
    left_out = (*_FRAMEWORKS, *(() if converting else ("torch",)))
    hidden = [name for name in left_out if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # None: such an import fails
    try:
        module = "coremltools.converters.mil.frontend.milproto.load"
        require(module, package="coremltools", extra="coreml")
    finally:
        for name in hidden:
            del sys.modules[name]
    return sys.modules["coremltools"]
