"""What `import edge_deeplab` offers: typed requests in, typed results out; nothing is printed.

One function a verb: it takes the fields of a frozen request as keywords, validates them once, and raises the errors
of `errors.py`. Work that takes long tells a `Progress`. What is heavy is imported when a function is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.checker.report import CheckResult

# -- load, models, doctor

# -- train, prune, quantize

# -- export

# -- check


def check(
    paths: Sequence[Path],
    *,
    profiles: Sequence[str] = (),
    observe: str = "auto",
    merge: Path | None = None,
    progress: Progress = SILENT,
) -> "tuple[CheckResult, ...]":
    """Return the operator report of each file: verdicts by profile, and what tools were seen to do beside them.

    Args:
        paths: exported files, of this project or anyone's.
        profiles: runtimes and devices to hold files against; none takes each format's default.
        observe: "auto" asks the observers that need nothing more, "all" those of every profile, "none" no one.
        merge: what a Mac said of one `.mlpackage`, as the script of `check --mac-script` wrote it; it decides verdicts.
        progress: told of each file.

    Returns:
        One entry a path, in order; a file that cannot be read has an `UnreadArtifact` with the reason.

    Raises:
        ArtifactError: when the Mac's answer cannot be read, or is about another package.
        ConfigError: for an unknown profile or way to observe, a profile that reads none of the files, an answer for
            several files, or an observer that all were to be asked and is not available.
        MissingDependencyError: when the package that knows a format is not installed.
    """
    from edge_deeplab.checker.mac.bundle import only_package
    from edge_deeplab.checker.report import check_artifacts
    from edge_deeplab.runtimes.observers.mac import MacAnswer
    from edge_deeplab.runtimes.observers.registry import (
        available_observers,
        check_observe,
        demand_observers,
    )

    check_observe(observe)
    answer = None if merge is None else MacAnswer.about(only_package(paths, "--merge"), merge)
    if observe == "all":
        demand_observers(paths, profiles, answer)
    observers = {} if observe == "none" else available_observers(answer)
    return check_artifacts(paths, profiles, observers, progress=progress)


# -- evaluate, parity, bench, open_artifact

# -- compress
