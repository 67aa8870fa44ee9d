"""What `edge-deeplab prune` tells: the pruned network beside the original, and what each layer would cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_deeplab.cli.output import print_json
from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from rich.table import Table

    from edge_deeplab.config import PruneRecipe
    from edge_deeplab.data.dataset import SegmentationDataset
    from edge_deeplab.models.checkpoint import Checkpoint
    from edge_deeplab.quantization.pruning.latency import LatencyTable
    from edge_deeplab.quantization.pruning.sensitivity import GroupSensitivity


def print_pruned(
    original: "Checkpoint", pruned: "Checkpoint", times: "LatencyTable | None", *, as_json: bool
) -> None:
    """Print where the pruned checkpoint lies, and what it costs beside the original; with `times` both are timed."""
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.evaluation.cost import count_network

    size_hw = original.info.size_hw
    before, after = (count_network(c.build(), size_hw) for c in (original, pruned))
    document: dict[str, Any] = {
        "checkpoint": str(pruned.path),
        "budgets": dict(pruned.info.pruning or {})["budgets"],
        "sparsity": dict(pruned.info.pruning or {})["sparsity"],
        "multiply_adds": [before.multiply_adds, after.multiply_adds],
        "parameters": [before.parameters, after.parameters],
        "size_hw": list(size_hw),
    }
    if times is not None:
        from edge_deeplab.evaluation.layer_latency import report_latency

        document["latency"] = report_latency(times, original, pruned)
    if as_json:
        print_json(document)
        return
    stdout_console().print(_costs_table(document))
    say(f"pruned checkpoint: {pruned.path}")


def rank_groups(
    checkpoint: "Checkpoint",
    recipe: "PruneRecipe",
    sources: "Sequence[SegmentationDataset]",
    output: Path,
    *,
    as_json: bool,
) -> None:
    """Sweep the groups, write OUTPUT/sensitivity.json and .png, and print what each costs."""
    import json
    from dataclasses import asdict

    from edge_deeplab.cli.progress import counting
    from edge_deeplab.cli.terminal import stdout_console
    from edge_deeplab.errors import require
    from edge_deeplab.files import replace_when_complete, write_atomically
    from edge_deeplab.quantization.pruning.groups import find_groups
    from edge_deeplab.quantization.pruning.prune import measure_importance, sweep_images
    from edge_deeplab.quantization.pruning.sensitivity import save_plot, sweep

    require("matplotlib", package="matplotlib", extra="compress")
    model = checkpoint.build()
    groups = find_groups(model)
    importance = measure_importance(checkpoint, groups, recipe, sources)
    images = sweep_images(checkpoint, recipe, sources)
    with counting("pruning each layer alone", len(groups)) as progress:
        swept = sweep(model, groups, importance, images, progress=progress)
    document = {"sensitivity": [asdict(point) for point in swept]}
    write_atomically(output / "sensitivity.json", json.dumps(document, indent=2) + "\n")
    with replace_when_complete(output / "sensitivity.png") as path:
        save_plot(swept, path)
    if as_json:
        print_json(document)
    else:
        stdout_console().print(_sensitivity_table(swept))


def _costs_table(document: dict[str, Any]) -> "Table":
    from rich.table import Table

    height, width = document["size_hw"]
    zeros = document["sparsity"] and f"zeros among the single weights: {document['sparsity']}"
    table = Table("what", title=f"pruned at {height}x{width}", caption=zeros)
    for header in ("original", "pruned", "remains", "budget"):
        table.add_column(header, justify="right")
    rows = [
        ("multiply-adds, G", "macs", 1e9, document["multiply_adds"]),
        ("parameters, M", "params", 1e6, document["parameters"]),
    ]
    if "latency" in document:
        told = document["latency"]
        rows.append(("predicted latency, ms", "latency", 1, told["predicted_ms"]))
        rows.append((f"measured in {told['runtime']}, ms", "", 1, told["measured_ms"]))
    for what, name, unit, (old, new) in rows:
        asked = document["budgets"].get(name, {}).get("asked")
        budget = "" if asked is None else f"{asked:g}"
        table.add_row(what, f"{old / unit:.3f}", f"{new / unit:.3f}", f"{new / old:.3f}", budget)
    return table


def _sensitivity_table(swept: "Sequence[GroupSensitivity]") -> "Table":
    from rich.table import Table

    title = "each layer alone, its least important channels removed; the costliest first"
    table = Table("layer", title=title)
    for header in ("channels", "removed", "divergence, nats", "SNR, dB", "pixels that agree"):
        table.add_column(header, justify="right")
    for point in sorted(swept, key=lambda s: -s.divergence):
        counts = str(point.channels), str(point.removed)
        numbers = f"{point.divergence:.5f}", f"{point.snr_db:.1f}", f"{point.agreement:.5f}"
        table.add_row(point.group, *counts, *numbers)
    return table
