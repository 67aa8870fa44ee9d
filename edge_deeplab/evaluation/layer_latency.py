"""Times of single layers in one runtime, and of the whole files that they predict.

A layer is timed in the same rounds as the whole original and counted as a share of it, so a machine that slows down
slows both.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import nn

from edge_deeplab.config import PruningSection
from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.layer_file import write_layer
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.bench import measure_latency
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.quantization.pruning.allot import Steps
from edge_deeplab.quantization.pruning.cost import LayerForm
from edge_deeplab.quantization.pruning.latency import (
    LatencyTable,
    Widths,
    read_table,
    widths_to_measure,
    write_table,
)
from edge_deeplab.quantization.pruning.prune import cost_model
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.layer import open_layers
from edge_deeplab.runtimes.open import open_artifact

THREADS = 1
_LAYER_ROUNDS = 10
_WHOLE_ROUNDS = 20


def measure_layers(
    checkpoint: Checkpoint,
    steps: Steps,
    target: str,
    *,
    progress: Progress = SILENT,
) -> LatencyTable:
    """Return the times of every form of layer that a network has, at the widths that pruning can give it.

    Args:
        checkpoint: the original.
        steps: how narrow its layers can get.
        target: "tflite" or "onnx", whose runtime executes the files on this machine, in float32 on one thread.
        progress: told each form of layer.

    Raises:
        ConfigError: for another target.
        ConversionError: when a file cannot be written.
        MissingDependencyError: without the target's converter or runtime.
    """
    network = cost_model(checkpoint)
    plan = widths_to_measure(network, steps)
    times, wholes = {}, []
    with tempfile.TemporaryDirectory() as scratch:
        progress.begin(f"exporting {checkpoint.name} to {target}")
        whole = _open_whole(checkpoint, target, Path(scratch))
        progress.begin(f"timing layers in {whole.name}", len(plan), "kinds of layer")
        for form, widths in plan.items():
            whole_ms, shares = _measure_form(form, widths, whole, target, Path(scratch))
            wholes.append(whole_ms)
            times[form] = rising(shares)
            progress.advance()
    whole_ms = statistics.median(wholes)
    table = LatencyTable(
        target=target,
        runtime=whole.name,
        checkpoint_sha256=checkpoint.sha256,
        whole_ms=whole_ms,
        widths=plan,
        times_ms={form: _scaled(shares, whole_ms) for form, shares in times.items()},
    )
    return replace(table, rest_ms=max(0.0, whole_ms - network.total(table.cost, network.full)))


def latency_table(
    checkpoint: Checkpoint,
    section: PruningSection,
    path: Path,
    *,
    progress: Progress = SILENT,
) -> LatencyTable:
    """Return the times of layers that a latency budget needs: read where they were measured before, else measured.

    Of several processes one measures; the others wait, so that they do not compete for the cores, and read.

    Args:
        checkpoint: the original.
        section: says in which runtime, and how narrow layers can get.
        path: JSON file that the table is kept in, in a folder that is made.
        progress: as for `measure_layers`.

    Raises:
        ConfigError: when the file cannot be read, or holds other times, and as for `measure_layers`.
    """
    steps = Steps(section.round_to, section.floor)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if path.is_file():
            table = read_table(path)
            same = (table.target, table.checkpoint_sha256) == (section.runtime, checkpoint.sha256)
            if same and table.widths == widths_to_measure(cost_model(checkpoint), steps):
                return table
            raise ConfigError(
                f"{path} holds the times of another network, runtime or choice of widths, and measuring would destroy "
                "them; a folder without them was expected; choose another output, or move that file away"
            )
        table = measure_layers(checkpoint, steps, section.runtime, progress=progress)
        write_table(path, table)
    return table


@dataclass(frozen=True)
class LatencyChange:
    """Times of an original and of what was made of it, both in milliseconds.

    Args:
        runtime: what both were timed in.
        predicted_ms: from the times of layers.
        measured_ms: of whole files.
        measured_ratio: from the rounds that both were timed in.
    """

    runtime: str
    predicted_ms: tuple[float, float]
    measured_ms: tuple[float, float]
    measured_ratio: float

    def to_json(self) -> dict[str, Any]:
        """Return what `prune --json` has under "latency"."""
        before, after = self.predicted_ms
        return {
            "runtime": self.runtime,
            "threads": THREADS,
            "predicted_ms": [before, after],
            "predicted_ratio": after / before,
            "measured_ms": list(self.measured_ms),
            "measured_ratio": self.measured_ratio,
        }


def compare_latency(
    table: LatencyTable, original: Checkpoint, pruned: Checkpoint, *, progress: Progress = SILENT
) -> LatencyChange:
    """Return predicted and measured time of the original and of what was made of it.

    Args:
        table: times of the original's layers.
        original: what was pruned.
        pruned: what came of it; both are exported in float32 and timed here, interleaved, on one thread.
        progress: told what is exported and timed.
    """
    before, after = (table.predict_ms(cost_model(c)) for c in (original, pruned))
    with tempfile.TemporaryDirectory() as scratch:
        progress.begin(f"exporting both to {table.target}")
        files = [
            _open_whole(checkpoint, table.target, Path(scratch) / str(number))
            for number, checkpoint in enumerate((original, pruned))
        ]
        first, second = measure_latency(
            files, rounds=_WHOLE_ROUNDS, threads=THREADS, progress=progress
        )
    times = (first.median_ms, second.median_ms)
    return LatencyChange(first.runtime, (before, after), times, second.ratio_to_first)


def _open_whole(checkpoint: Checkpoint, target: str, folder: Path) -> Runtime:
    (artifact,) = export_checkpoint(checkpoint, ExportRequest([target], output=folder))
    return open_artifact(artifact.path, threads=THREADS)


def _measure_form(
    form: LayerForm, widths: Widths, whole: Runtime, target: str, folder: Path
) -> tuple[float, tuple[tuple[float, ...], ...]]:
    """Return the whole file's milliseconds in these rounds, and each layer's time as a share: (inputs, outputs)."""
    inputs, outputs = widths
    paths = []
    for read in inputs:
        for written in outputs:
            path = folder / f"layer-{read}-{written}.{target}"
            channels = written if form.kind == "depthwise" else read
            write_layer(_layer(form, channels, written), channels, form.input_hw, path)
            paths.append(path)
    with open_layers(paths, THREADS) as files:
        first, *layers = measure_latency([whole, *files], rounds=_LAYER_ROUNDS, threads=THREADS)
    shares = [latency.ratio_to_first for latency in layers]
    rows = [shares[at : at + len(outputs)] for at in range(0, len(shares), len(outputs))]
    return first.median_ms, tuple(tuple(row) for row in rows)


def _layer(form: LayerForm, read: int, written: int) -> nn.Module:
    """Return a convolution of a form with its activation, as batch norm folding leaves it."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(
        read,
        written,
        form.kernel_hw,
        stride=form.stride,
        padding=(form.rate * (form.kernel_hw[0] // 2), form.rate * (form.kernel_hw[1] // 2)),
        dilation=form.rate,
        groups=read if form.kind == "depthwise" else 1,
    )
    return nn.Sequential(convolution, nn.ReLU()).eval()


def rising(times: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Return times (inputs, outputs) in which no wider layer is faster than a narrower one: floors then cost least."""
    accumulated = np.maximum.accumulate(np.maximum.accumulate(np.asarray(times), axis=0), axis=1)
    return tuple(tuple(row) for row in accumulated.tolist())


def _scaled(
    shares: tuple[tuple[float, ...], ...], whole_ms: float
) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(share * whole_ms for share in row) for row in shares)
