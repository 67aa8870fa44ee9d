"""Which extra of this package installs a module that is missing, told by the package's own metadata."""

import re
from importlib.metadata import PackageNotFoundError, requires

from edge_deeplab.errors import MissingDependencyError

_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+)[^\[]*;.*\bextra == ['\"](?P<extra>\w+)['\"]")


def missing_dependency(error: ModuleNotFoundError) -> MissingDependencyError | None:
    """Return the error that says how to install what an import lacked.

    Args:
        error: of the import.

    Returns:
        None where no extra names the module's package: then it is not for the user to install.
    """
    package = (error.name or "").partition(".")[0].replace("_", "-")
    try:
        requirements = requires("edge-deeplab") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return None
    for match in filter(None, map(_REQUIREMENT.match, requirements)):
        if match["package"] == package:
            return MissingDependencyError(package, match["extra"])
    return None
