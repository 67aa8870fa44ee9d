"""Opens files for tests of what they compute: a Core ML package in the test's own process.

A child imports torch and coremltools for it, which takes seconds and which the test has done; tests of opening itself
call `open_artifact`.
"""

from pathlib import Path
from typing import Any

from edge_deeplab.description import Normalisation
from edge_deeplab.runtimes import Runtime, open_artifact
from edge_deeplab.runtimes.artifact import ArtifactRuntime


def open_here(
    path: Path,
    *,
    normalisation: Normalisation | None = None,
    size_hw: tuple[int, int] | None = None,
    **options: Any,
) -> Runtime:
    """Return what `open_artifact` does; of a Core ML package without a process of its own."""
    if path.suffix != ".mlpackage":
        return open_artifact(path, normalisation=normalisation, size_hw=size_hw, **options)
    from edge_deeplab.formats.importing_coremltools import import_coremltools

    import_coremltools(converting=True)  # what is left out now is left out for later tests too
    from edge_deeplab.runtimes.mil.engine import MILEngine

    return ArtifactRuntime(path, MILEngine(path, **options), normalisation, size_hw)
