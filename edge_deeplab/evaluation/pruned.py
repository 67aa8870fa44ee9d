"""What pruning has come to: the pruned network beside the original."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from edge_deeplab.evaluation.cost import Cost, count_network
from edge_deeplab.evaluation.layer_latency import LatencyChange, compare_latency
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.latency import LatencyTable


@dataclass(frozen=True)
class Pruned:
    """A pruned checkpoint beside the original.

    Args:
        checkpoint: its file.
        budgets: by name, the share that was asked for and the one that was met.
        sparsity: zeros among the single weights; None where none were set.
        original: what the original costs.
        pruned: what it costs.
        size_hw: height and width of the images that multiply-adds are counted on.
        latency: times of both, where latency had a budget.
    """

    checkpoint: Path
    budgets: Mapping[str, Mapping[str, float]]
    sparsity: str | None
    original: Cost
    pruned: Cost
    size_hw: tuple[int, int]
    latency: LatencyChange | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document of `prune --json`."""
        document = {
            "checkpoint": str(self.checkpoint),
            "budgets": {name: dict(shares) for name, shares in self.budgets.items()},
            "sparsity": self.sparsity,
            "multiply_adds": [self.original.multiply_adds, self.pruned.multiply_adds],
            "parameters": [self.original.parameters, self.pruned.parameters],
            "size_hw": list(self.size_hw),
        }
        if self.latency is not None:
            document["latency"] = self.latency.to_json()
        return document


def compare_pruned(
    original: Checkpoint,
    pruned: Checkpoint,
    times: LatencyTable | None = None,
    *,
    progress: Progress = SILENT,
) -> Pruned:
    """Return a pruned checkpoint beside the original.

    Args:
        original: what was pruned.
        pruned: what came of it.
        times: of the original's layers; with them both are exported and timed, of several processes by the first.
        progress: told what is timed.
    """
    size_hw, lineage = original.info.size_hw, pruned.info.pruning or {}
    before, after = (count_network(c.build(), size_hw) for c in (original, pruned))
    latency = None
    if times is not None and PartialState().is_main_process:
        latency = compare_latency(times, original, pruned, progress=progress)
    return Pruned(
        pruned.path, lineage["budgets"], lineage["sparsity"], before, after, size_hw, latency
    )
