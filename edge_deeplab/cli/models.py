"""`edge-deeplab models`: which networks can be built, what they cost, and which checkpoints are shipped."""

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from edge_deeplab import api
from edge_deeplab.cli.output import (
    DebugOption,
    JsonOption,
    ending_cleanly,
    naming_options,
    parse_size,
    print_json,
)
from edge_deeplab.cli.progress import drawn_progress
from edge_deeplab.cli.terminal import say

if TYPE_CHECKING:
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.evaluation.cost import Cost, ModelList


def models(
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Image that is counted; without it 512x512."),
    ] = None,
    output_stride: Annotated[
        int | None, typer.Option(help="8, 16 or 32; without it each network's own.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List models with their papers, parameters and multiply-adds, and the shipped checkpoints.

    Example: edge-deeplab models --size 513x513 --output-stride 8
    """
    size_hw = parse_size(size)
    with ending_cleanly(as_json=as_json, debug=debug):
        with naming_options({}), drawn_progress() as progress:
            found = api.models(size_hw=size_hw, output_stride=output_stride, progress=progress)
        if as_json:
            print_json(found.to_json())
            return
        from edge_deeplab.cli.terminal import stdout_console

        console = stdout_console()
        if found.checkpoints:
            console.print(_checkpoints_table(found))
            console.print(_origins_table(found))
        else:
            say("no checkpoint is shipped with this installation")
        console.print(_models_table(found))


def _models_table(found: "ModelList") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.evaluation.cost import NUM_CLASSES

    caption = (
        f"{found.size_hw[0]}x{found.size_hw[1]}, {NUM_CLASSES} classes; padded: with dense atrous convolutions counted "
        "on features padded to a multiple of their rate, as the papers' tool did"
    )
    table = FittingTable("model", title="models", caption=caption)
    table.add_prose("arXiv")
    table.add_numbers("stride", "parameters", "multiply-adds", "padded")
    for row in found.models:
        paper = row.source.rpartition("arXiv ")[2]
        padded = f"{row.cost.multiply_adds_padded / 1e9:.2f} G"
        stride = str(row.spec.output_stride)
        table.add_row(row.spec.name, paper, stride, *_cost_cells(row.cost), padded)
    return table


def _checkpoints_table(found: "ModelList") -> "FittingTable":
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.cli.terminal import stacked

    stride = f"stride {found.output_stride}" if found.output_stride else "its own stride"
    caption = f"multiply-adds at {found.size_hw[0]}x{found.size_hw[1]} and {stride}; mIoU as it was measured"
    names = ("checkpoint", "measured mIoU")
    table = FittingTable(*names, title="shipped checkpoints", caption=caption)
    table.add_numbers("parameters", "multiply-adds")
    for row in found.checkpoints:
        results = row.info.results.items()
        scores = [f"{data} {r['miou']:.2f}" for data, r in results if "miou" in r]
        table.add_row(row.name, stacked(scores or ["not measured"]), *_cost_cells(row.cost))
    return table


def _origins_table(found: "ModelList") -> "FittingTable":
    """Return which network each checkpoint has and whose terms hold, once for those that share both."""
    from edge_deeplab.cli.tables import FittingTable
    from edge_deeplab.cli.terminal import stacked

    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in found.checkpoints:
        origins = [str(origin) for origin in row.origins] or ["its own training"]
        alike[row.info.model, row.info.licence, *origins].append(row.name)
    table = FittingTable("checkpoints", "model", title="networks and terms")
    table.add_prose("licence", "weights of")
    for (model, licence, *origins), checkpoints in alike.items():
        table.add_row(stacked(checkpoints), model, licence, stacked(origins))
    return table


def _cost_cells(cost: "Cost") -> tuple[str, str]:
    return f"{cost.parameters / 1e6:.2f} M", f"{cost.multiply_adds / 1e9:.2f} G"
