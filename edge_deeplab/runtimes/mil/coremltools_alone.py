"""Import coremltools in a second instead of four, for a process that only reads packages."""

import sys

from edge_deeplab.errors import require

_FRAMEWORKS = ("torch", "sklearn", "tensorflow", "xgboost")
"""What coremltools imports to convert from, where it is installed; reading a package needs none of them."""


def import_coremltools_alone() -> None:
    """Import coremltools as if no framework were installed; those that are imported already stay.

    From then on this process cannot convert from them, so it is for a child that does nothing else.

    Raises:
        MissingDependencyError: without coremltools.
    """
    hidden = [name for name in _FRAMEWORKS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: such an import fails
    try:
        module = "coremltools.converters.mil.frontend.milproto.load"
        require(module, package="coremltools", extra="coreml")
    finally:
        for name in hidden:
            del sys.modules[name]
