"""Multiply-adds of the networks here beside those of DeepLabV3+ (arXiv 1802.02611, tables 3 and 5), for docs/models.md.

    python benchmarks/paper_multiply_adds.py --output docs/models.md

Two things in the paper's code are not in the networks here, and the table says what each is worth. TensorFlow computed
a dense atrous convolution on features padded to a multiple of its rate, and counted that (`Cost.multiply_adds_padded`).
Its ResNet ("beta") has three 3x3 convolutions where ours has one 7x7, and takes a block's stride in the last unit, ours
in the first.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from markers import write_table

from edge_deeplab.evaluation.cost import NUM_CLASSES, count_cost

SIDE = 513
BLOCKS = ((3, 64), (4, 128), (23, 256), (3, 512))
"""Units of each block of a ResNet-101, and the channels between them; each gives four times as many."""


@dataclass(frozen=True)
class Row:
    """A network of the paper.

    Args:
        model: what is built.
        decoder: whether it has one.
        separable: whether branches and decoder are separable.
        output_stride: at evaluation.
        billions: multiply-adds as published.
    """

    model: str
    decoder: bool
    separable: bool
    output_stride: int
    billions: float


ROWS = (
    Row("deeplabv3_resnet101", False, False, 16, 81.02),
    Row("deeplabv3plus_resnet101", True, False, 16, 101.28),
    Row("deeplabv3plus_resnet101", True, False, 8, 297.92),
    Row("deeplabv3plus_resnet101", True, False, 32, 74.20),
    Row("deeplabv3plus_xception65", False, False, 16, 68.00),
    Row("deeplabv3plus_xception65", False, False, 8, 240.85),
    Row("deeplabv3plus_xception65", True, False, 16, 89.76),
    Row("deeplabv3plus_xception65", True, False, 8, 262.59),
    Row("deeplabv3plus_xception65", True, True, 16, 54.17),
    Row("deeplabv3plus_xception65", True, True, 8, 177.10),
)


def halved(side: int) -> int:
    """Return the side after a stride of two with padding."""
    return -(-side // 2)


def count_resnet(output_stride: int, *, beta: bool) -> int:
    """Return the multiply-adds of a ResNet-101's convolutions at 513x513, TensorFlow's or ours."""
    side = halved(SIDE)
    stem = (3 * 64 + 64 * 64 + 64 * 128) * 9 if beta else 3 * 64 * 49
    total, incoming = stem * side**2, 128 if beta else 64
    side, stride = halved(side), 4
    for block, (units, width) in enumerate(BLOCKS):
        strides = stride < output_stride and (block < 3 if beta else block > 0)
        for unit in range(units):
            before = side
            if strides and unit == (units - 1 if beta else 0):
                side, stride = halved(side), stride * 2
            if unit == 0:
                total += incoming * width * 4 * side**2
            total += (
                incoming * width * before**2 + (width * width * 9 + width * width * 4) * side**2
            )
            incoming = width * 4
    return total


def line(row: Row) -> str:
    """Return a row of the table."""
    options = {"output_stride": row.output_stride, "separable": row.separable}
    if not row.decoder and "plus" in row.model:
        options["decoder"] = "none"
    cost = count_cost(row.model, NUM_CLASSES, (SIDE, SIDE), **options)
    is_resnet = "resnet" in row.model
    beta = count_resnet(row.output_stride, beta=True) - count_resnet(row.output_stride, beta=False)
    counted = cost.multiply_adds_padded + (beta if is_resnet else 0)
    cells = (
        f"`{row.model}`",
        str(row.output_stride),
        "yes" if row.decoder else "no",
        "yes" if row.separable else "no",
        f"{row.billions:.2f}",
        f"{cost.multiply_adds / 1e9:.2f}",
        f"{cost.multiply_adds_padded / 1e9:.2f}",
        f"{beta / 1e9:+.2f}" if is_resnet else "",
        f"{100 * counted / 1e9 / row.billions - 100:+.1f} %",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    head = (
        "| network, 513x513, 21 classes | stride | decoder | separable | paper, G | here, G | padded | beta | left |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    write_table(parser.parse_args().output, "papers' multiply-adds", [*head, *map(line, ROWS)])


if __name__ == "__main__":
    main()
