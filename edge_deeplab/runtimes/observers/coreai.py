"""Whether Apple's own library compiles a Core AI asset and loads what it made, on this machine's processor."""

import platform
from dataclasses import replace

from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import Profile
from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ArtifactError, ChildError, missing
from edge_deeplab.formats.coreai_asset import read_asset
from edge_deeplab.formats.graph import FileGraph
from edge_deeplab.targets import TARGETS
from edge_deeplab.text import printable
from edge_deeplab.versions import installed_version

SERVICE = "edge_deeplab.runtimes.coreai"


class CoreAILoader:
    """Asks coreai-core."""

    name = "coreai"

    def available(self) -> str | None:
        """Return what is missing and how to get it; None where nothing is."""
        return missing("coreai.runtime", package="coreai-core", extra="coreai")

    def observe(self, graph: FileGraph, profile: Profile) -> Observation:
        """Return that the library took every operator, or why it refused the file; a device may do otherwise."""
        version = f"coreai-core {installed_version('coreai-core')}"
        seen = Observation("Core AI", version, platform.machine())
        try:
            size = read_asset(graph.path).size
            limits = Limits.for_file(size, patience=TARGETS["coreai"].patience)
            path = str(graph.path.absolute())
            ask_once(SERVICE, "load", subject=str(graph.path), limits=limits, path=path)
        except ChildError as error:
            return replace(seen, refusal=error.ending)
        except ArtifactError as error:
            return replace(seen, refusal=printable(str(error)))
        everything = tuple(range(len(graph.operators)))
        return replace(
            seen,
            taken=dict.fromkeys(everything, ""),
            left={},
            subgraphs=(everything,),
            partitions=1,
        )
