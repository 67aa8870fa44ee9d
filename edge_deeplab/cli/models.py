"""`edge-deeplab models`: which networks can be built, what they cost, and which checkpoints are shipped."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge_deeplab.cli.output import DebugOption, JsonOption, ending_cleanly, print_json
from edge_deeplab.cli.terminal import say
from edge_deeplab.errors import require

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

SIZE_HW = (512, 512)
OUTPUT_STRIDE = 16
NUM_CLASSES = 21
"""PASCAL VOC's, as in the papers' tables."""


def models(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List models with their parameters and multiply-adds (512x512, output stride 16), and the shipped checkpoints.

    Example: edge-deeplab models --json
    """
    with ending_cleanly(as_json=as_json, debug=debug):
        require("torch", package="torch", extra="train")
        document: dict[str, Any] = {
            "size_hw": list(SIZE_HW),
            "output_stride": OUTPUT_STRIDE,
            "num_classes": NUM_CLASSES,
            "models": list_models(),
            "checkpoints": list_checkpoints(),
        }
        if as_json:
            print_json(document)
            return
        from edge_deeplab.cli.terminal import stdout_console

        console = stdout_console()
        console.print(_models_table(document["models"]))
        if document["checkpoints"]:
            console.print(_checkpoints_table(document["checkpoints"]))
        else:
            say("no checkpoint is shipped with this installation")


def list_models() -> list[dict[str, Any]]:
    """Return every model with its backbone and cost, as JSON values."""
    from edge_deeplab.evaluation.cost import count_cost
    from edge_deeplab.models.backbones import get_backbone
    from edge_deeplab.models.deeplab import MODELS, backbone_of

    return [
        {
            "name": name,
            "backbone": backbone_of(name),
            "separable": get_backbone(backbone_of(name)).separable,
            **asdict(count_cost(name, NUM_CLASSES, SIZE_HW, output_stride=OUTPUT_STRIDE)),
        }
        for name in MODELS
    ]


def list_checkpoints() -> list[dict[str, Any]]:
    """Return the shipped checkpoints with what was measured of them, as JSON values."""
    from edge_deeplab.models.shipped import shipped_checkpoints

    return [_describe_checkpoint(name, path) for name, path in shipped_checkpoints().items()]


def _describe_checkpoint(name: str, path: "Path") -> dict[str, Any]:
    from edge_deeplab.evaluation.cost import count_network
    from edge_deeplab.models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(path)
    info = checkpoint.info
    cost = count_network(checkpoint.build(), SIZE_HW)
    return {
        "name": name,
        "path": str(path),
        "bytes": path.stat().st_size,
        "model": info.model,
        "classes": [c.name for c in info.classes],
        "size_hw": list(info.size_hw),
        "licence": info.licence,
        "results": dict(info.results),
        **asdict(cost),
    }


def _models_table(entries: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    caption = f"{SIZE_HW[0]}x{SIZE_HW[1]}, output stride {OUTPUT_STRIDE}, {NUM_CLASSES} classes"
    table = Table("model", "backbone", "separable", title="models", caption=caption)
    for header in ("parameters", "multiply-adds"):
        table.add_column(header, justify="right")
    for entry in entries:
        separable = "yes" if entry["separable"] else "no"
        table.add_row(entry["name"], entry["backbone"], separable, *_cost_cells(entry))
    return table


def _checkpoints_table(entries: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    from edge_deeplab.cli.terminal import stacked

    table = Table("checkpoint", "model", "measured mIoU", title="shipped checkpoints")
    for header in ("parameters", "multiply-adds"):
        table.add_column(header, justify="right")
    table.add_column("licence")
    for entry in entries:
        scores = [f"{data} {r['miou']:.2f}" for data, r in entry["results"].items() if "miou" in r]
        measured = stacked(scores or ["not measured"])
        table.add_row(
            entry["name"], entry["model"], measured, *_cost_cells(entry), entry["licence"]
        )
    return table


def _cost_cells(entry: dict[str, Any]) -> tuple[str, str]:
    return f"{entry['parameters'] / 1e6:.2f} M", f"{entry['multiply_adds'] / 1e9:.2f} G"
