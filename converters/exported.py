"""An artifact that an export has written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.devices.atrous_forms import AtrousChoice
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.description import Head
from edge_deeplab.targets import TargetName


@dataclass(frozen=True)
class ExportedArtifact:
    """An artifact as it lies on disk.

    Args:
        target: a key of `TARGETS`.
        precision: one of `PRECISIONS`.
        head: what comes out.
        path: the file, or the folder of a Core ML package.
        bytes: its size.
        sha256: hash of its content.
        size_hw: input height and width; the default of a file that takes several.
        operators: how many operators of the file are "ok", "slow", "fallback" and "rejected".
        profiles: by which profiles; each operator counts by the worst that one says.
        seconds: time that lowering, writing and checking took.
        rewrites: what was asked for beside the rewrites that every graph gets.
        atrous: the form of each atrous convolution, and what the other forms would have cost.
        sizes_hw: every input height and width, of a file that takes several.
    """

    target: TargetName
    precision: str
    head: Head
    path: Path
    bytes: int
    sha256: str
    size_hw: tuple[int, int]
    operators: Mapping[Verdict, int]
    profiles: tuple[str, ...]
    seconds: float
    rewrites: tuple[AskedRewrite, ...] = ()
    atrous: tuple[AtrousChoice, ...] = ()
    sizes_hw: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the artifact as plain JSON values."""
        return {
            "target": self.target,
            "precision": self.precision,
            "path": str(self.path),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "size_hw": list(self.size_hw),
            "sizes_hw": [list(size) for size in self.sizes_hw or (self.size_hw,)],
            "operators": {verdict: self.operators.get(verdict, 0) for verdict in Verdict},
            "seconds": round(self.seconds, 2),
        }
