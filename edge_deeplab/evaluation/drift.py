"""What `parity --explain` found: each file's chain of steps, layer by layer, and its picture. Needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.evaluation.plots import check_plot, drawn
from edge_deeplab.text import printable, size_text

DRIFT_DB = 20.0
"""A tensor that a step leaves with less has drifted there: the noise is a tenth of the signal."""


@dataclass(frozen=True)
class LayerDrift:
    """One tensor on its way along the chain.

    Args:
        module: path of the module, or module and function, that computes it.
        operator: the canonical operator's name.
        snr_db: by step ("fake-quantized", "canonical", "file"), decibels against the step before.
    """

    module: str
    operator: str
    snr_db: Mapping[str, float]


@dataclass(frozen=True)
class DriftChain:
    """The chain of one file on one picture.

    Args:
        path: the file.
        steps: names of the steps that were compared, in order.
        layers: in the network's order.
        error: why the file could not be followed; then there are no steps and layers.
        size_hw: height and width that it was followed at, of a file that lists several sizes.
    """

    path: Path
    steps: tuple[str, ...] = ()
    layers: tuple[LayerDrift, ...] = ()
    error: str | None = None
    size_hw: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """The file's name, and the size of the picture, of a file that takes several."""
        return f"{self.path.name} at {size_text(self.size_hw)}" if self.size_hw else self.path.name

    def first_drift(self, step: str) -> LayerDrift | None:
        """Return the first layer that a step leaves below `DRIFT_DB`; None when none is."""
        return next((layer for layer in self.layers if layer.snr_db[step] < DRIFT_DB), None)

    def worst(self, step: str) -> LayerDrift:
        """Return the layer that a step leaves worst."""
        return min(self.layers, key=lambda layer: layer.snr_db[step])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        about: dict[str, Any] = {"path": str(self.path)}
        if self.size_hw is not None:
            about["size_hw"] = list(self.size_hw)
        if self.error is not None:
            return {**about, "error": self.error}
        first = {step: self.first_drift(step) for step in self.steps}
        return {
            **about,
            "steps": list(self.steps),
            "drift_below_db": DRIFT_DB,
            "first_drift": {s: None if d is None else d.module for s, d in first.items()},
            "layers": [
                {
                    "module": layer.module,
                    "operator": layer.operator,
                    "snr_db": {s: round(v, 2) for s, v in layer.snr_db.items()},
                }
                for layer in self.layers
            ],
        }


def plot(chains: Sequence[DriftChain], path: Path) -> None:
    """Draw each step's signal-to-noise ratio along the network, one panel a file.

    Args:
        chains: what to draw; those that failed are left out.
        path: .png, .svg or .pdf to write.

    Raises:
        ConfigError: when the ending is none of these.
        MissingDependencyError: without matplotlib.
        OutputError: when it cannot be written; what was there stays.
    """
    check_plot(path)
    chains = [chain for chain in chains if chain.error is None]
    if not chains:
        return
    size = (11, 3.4 * len(chains))
    with drawn(path, len(chains), 1, figsize=size, sharey=True) as panels:
        for panel, chain in zip(panels[:, 0], chains, strict=True):
            for step in chain.steps:
                panel.plot([layer.snr_db[step] for layer in chain.layers], label=step, marker=".")
            panel.axhline(DRIFT_DB, color="grey", linestyle=":", linewidth=1)
            panel.set_title(printable(chain.title), parse_math=False)
            panel.set_ylabel("SNR, dB")
            every = max(1, len(chain.layers) // 24)
            places = range(0, len(chain.layers), every)
            panel.set_xticks(list(places))
            panel.set_xticklabels(
                [chain.layers[i].module for i in places], rotation=60, ha="right", fontsize=7
            )
            panel.legend(
                loc="center left", bbox_to_anchor=(1.01, 0.5), title="against the step before"
            )
