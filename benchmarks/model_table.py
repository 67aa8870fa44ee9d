"""Writes into a document, between two markers, what every named network costs: size, work, and time as TFLite files.

    python benchmarks/model_table.py --files FOLDER --output docs/models.md

Weights are random: they change none of the three. Each network's float and int8 file are timed beside
EfficientNet-Lite0's float file in one interleaved run on one thread; a column "of" is the time as a share of that
file's. Files are kept in the folder, so that a run which was stopped goes on; with --only rows are told, not written.
"""

import argparse
import sys
from pathlib import Path

import torch
from markers import find_place, today, write_table

import edge_deeplab as ed
from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.description import ClassInfo
from edge_deeplab.evaluation.cost import Cost, count_network
from edge_deeplab.evaluation.latency import BenchReport, Latency
from edge_deeplab.models.backbones import get_backbone
from edge_deeplab.models.checkpoint import CheckpointInfo, checkpoint_of
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import FAMILY, find_spec
from edge_deeplab.quantization.calibration import calibrate
from edge_deeplab.quantization.network import Network
from edge_deeplab.quantization.placement import place_quantizers

TABLE, ANCHOR = "table of networks", "deeplabv3plus_efficientnet_lite0"
SIZE_HW, NUM_CLASSES = (368, 480), 11
ROUNDS = 7
PRECISIONS = ("fp32", "int8")


def main() -> None:
    """Build, export, time and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", required=True, type=Path, help="folder in which files are kept")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--only", nargs="+", choices=list(FAMILY), default=list(FAMILY))
    arguments = parser.parse_args()
    find_place(arguments.output, TABLE)
    anchor = file_of(ANCHOR, "fp32", arguments.files)
    rows = []
    for name in arguments.only:
        files = [file_of(name, precision, arguments.files) for precision in PRECISIONS]
        timed = ed.bench([anchor, *(f for f in files if f != anchor)], threads=1, rounds=ROUNDS)
        rows.append(row(name, count_network(build_model(name, NUM_CLASSES).eval(), SIZE_HW), timed))
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()
    if arguments.only == list(FAMILY):
        write_table(arguments.output, TABLE, [*head_lines(), *rows])


def head_lines() -> list[str]:
    """Return what stands above the rows."""
    size = f"{SIZE_HW[0]}x{SIZE_HW[1]}"
    return [
        f"{today()}, {size}, {NUM_CLASSES} classes, random weights; TFLite files, one thread of an x86-64 machine, "
        f'medians of {ROUNDS} rounds; "of" is the time over that of `{ANCHOR}` in float in the same rounds.',
        "",
        "| network | M parameters | G multiply-adds | fp32 ms | of | int8 ms | of | int8 / fp32 |",
        "|---|---|---|---|---|---|---|---|",
    ]


def row(name: str, cost: Cost, timed: BenchReport) -> str:
    """Return a network's row.

    Args:
        name: of the network.
        cost: parameters and multiply-adds.
        timed: the anchor's file, and those of the network that are not it.
    """
    told = {latency.path.stem: latency for latency in timed.rows if isinstance(latency, Latency)}
    fp32, int8 = (told[f"{name}-{precision}"] for precision in PRECISIONS)
    share = int8.ratio_to_first / fp32.ratio_to_first
    times = " | ".join(f"{t.median_ms:.0f} | {t.ratio_to_first:.2f}" for t in (fp32, int8))
    return f"| `{name}` | {cost.parameters / 1e6:.1f} | {cost.multiply_adds / 1e9:.1f} | {times} | {share:.2f} |"


def file_of(name: str, precision: str, folder: Path) -> Path:
    """Return a network's TFLite file, written if it is not there."""
    path = folder / f"{name}-{precision}.tflite"
    if path.is_file():
        return path
    torch.manual_seed(0)
    spec = find_spec(name)
    normalisation = get_backbone(spec.backbone).normalisation
    classes = tuple(ClassInfo(f"class {i}", (i, i, i)) for i in range(NUM_CLASSES))
    info = CheckpointInfo(spec, classes, None, normalisation, SIZE_HW)
    checkpoint = checkpoint_of(build_model(spec, NUM_CLASSES).eval(), info)
    if precision == "int8":
        network = Network(checkpoint.build())
        noise = [torch.randn(1, 3, *SIZE_HW)]
        placement = place_quantizers(network)
        checkpoint = checkpoint.with_quantization(
            calibrate(network, placement, noise, normalisation, "min-max")
        )
    request = ExportRequest(targets=("tflite",), precision=precision, output=folder / "new")
    (made,) = export_checkpoint(checkpoint, request)
    return made.path.rename(path)


if __name__ == "__main__":
    main()
