"""Predicted latency: times of single layers, measured at a few widths in one runtime, interpolated between them.

The table is only data here; `evaluation.layer_latency` measures it. What no layer accounts for (resizes, additions, the
class map) is the rest: measured once on the whole original and taken to stay.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.documents import read_json
from edge_deeplab.errors import ConfigError
from edge_deeplab.files import write_atomically
from edge_deeplab.quantization.pruning.allot import Steps
from edge_deeplab.quantization.pruning.cost import CostModel, Layer, LayerForm

Widths = tuple[tuple[int, ...], tuple[int, ...]]
"""Input and output channels that a layer's form is measured at, rising; a depthwise one has output channels alone."""


@dataclass(frozen=True)
class LatencyTable:
    """Times of single layers.

    Args:
        target: of the files that were timed.
        runtime: runtime and version that executed them.
        checkpoint_sha256: hash of the original.
        whole_ms: time of the whole original.
        widths: by form, what it was measured at.
        times_ms: by form, (inputs, outputs) in milliseconds.
        rest_ms: what the original takes beyond its layers.
    """

    target: str
    runtime: str
    checkpoint_sha256: str
    whole_ms: float
    widths: Mapping[LayerForm, Widths]
    times_ms: Mapping[LayerForm, tuple[tuple[float, ...], ...]]
    rest_ms: float = field(default=0.0)

    def cost(self, layer: Layer, read: int, written: int) -> float:
        """Return a layer's milliseconds, linear in each width between those measured; batch norm is folded."""
        if layer.form.kind == "norm":
            return 0.0
        inputs, outputs = self.widths[layer.form]
        by_input = [np.interp(written, outputs, row) for row in self.times_ms[layer.form]]
        return float(np.interp(read, inputs, by_input)) if len(inputs) > 1 else float(by_input[0])

    def predict_ms(self, network: CostModel) -> float:
        """Return the time of a network as it stands."""
        return self.rest_ms + network.total(self.cost, network.full)

    def to_json(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        layers = [
            {**asdict(form), "inputs": widths[0], "outputs": widths[1], "ms": self.times_ms[form]}
            for form, widths in self.widths.items()
        ]
        return {
            "target": self.target,
            "runtime": self.runtime,
            "checkpoint_sha256": self.checkpoint_sha256,
            "whole_ms": self.whole_ms,
            "rest_ms": self.rest_ms,
            "layers": layers,
        }


def read_table(path: Path) -> LatencyTable:
    """Read a table that `write_table` wrote.

    Raises:
        ConfigError: when it cannot be read.
    """
    try:
        document = read_json(path)
        widths, times = {}, {}
        for layer in document["layers"]:
            pairs = {k: tuple(layer[k]) for k in ("kernel_hw", "input_hw", "output_hw")}
            form = LayerForm(layer["kind"], stride=layer["stride"], rate=layer["rate"], **pairs)
            widths[form] = tuple(layer["inputs"]), tuple(layer["outputs"])
            times[form] = tuple(tuple(row) for row in layer["ms"])
        return LatencyTable(
            document["target"],
            document["runtime"],
            document["checkpoint_sha256"],
            document["whole_ms"],
            widths,
            times,
            document["rest_ms"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is no table of layer times ({type(error).__name__}: {error}); one that this command wrote was "
            "expected; delete it and it is measured again"
        ) from error


def write_table(path: Path, table: LatencyTable) -> None:
    """Write a table as JSON, atomically."""
    write_atomically(path, json.dumps(table.to_json(), indent=1) + "\n")


def widths_to_measure(network: CostModel, steps: Steps) -> dict[LayerForm, Widths]:
    """Return at which widths every form of layer is measured: its narrowest, its widest and one between.

    Args:
        network: costs of the original; says how wide its layers are.
        steps: how narrow they can get.
    """
    floor = [steps.least(channels) for channels in network.full]
    ranges: dict[LayerForm, list[tuple[int, int]]] = {}
    for layer in network.layers:
        if layer.form.kind != "norm":
            ends = [layer.widths(floor), layer.widths(network.full)]
            ranges.setdefault(layer.form, []).extend(ends)
    found = {}
    for form, pairs in ranges.items():
        read, written = zip(*pairs, strict=True)
        inputs = (1,) if form.kind == "depthwise" else _three(min(read), max(read), steps.round_to)
        found[form] = inputs, _three(min(written), max(written), steps.round_to)
    return found


def _three(low: int, high: int, round_to: int) -> tuple[int, ...]:
    middle = round((low * high) ** 0.5 / round_to) * round_to
    return tuple(sorted({low, high} | ({middle} if low < middle < high else set())))
