"""Which terms of a dense CRF serve a checkpoint best, searched as DeepLabV2 does (arXiv 1606.00915, section 4.1).

    python benchmarks/crf_search.py CHECKPOINT --data DIR --split HELDOUT --limit 20

Only the appearance term is searched; the smoothness term stays at 3 and one pixel. Search on a sequence that the
checkpoint was not trained on, where it is as unsure as it will be, and report on another. Probabilities are computed
once; an inference takes about 0.4 s at 360x480 with 11 classes.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

from edge_deeplab import api
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.data.transforms import resize_image
from edge_deeplab.evaluation.dense_crf import DenseCrf
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.runtimes.torch import TorchRuntime

WEIGHTS = (1, 2, 4, 6)
PIXELS = (20, 40, 67)
COLOURS = (3, 6, 12)


def main() -> None:
    """Print each combination and its mIoU, as it is known, and the best at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args()
    dataset = resolve_dataset(DataFolder.named(asked.data), asked.split, limit=asked.limit)
    checkpoint = api.load(asked.checkpoint)
    if checkpoint.info.classes != dataset.classes:
        sys.exit(f"{asked.checkpoint} has other classes than {dataset.name}, or in another order")
    network = TorchRuntime(checkpoint)
    contestant = Contestant(network, dataset)
    seen = []
    plain = Tally(dataset)
    for index in range(len(dataset)):
        sample = dataset[index]
        image = resize_image(sample.image_hwc, network.size_hw)
        (probabilities,) = network.probabilities(image[None])
        seen.append((sample, image, probabilities.astype(np.float16)))
        plain.add(sample, *contestant.predict(sample.image_hwc))
    base = plain.evaluation(contestant).miou
    sys.stdout.write(f"{len(dataset)} images of {dataset.name}: {base:.2f} without\n")
    found = []
    for weight, pixels, colour in product(WEIGHTS, PIXELS, COLOURS):
        crf, tally = DenseCrf(weight, pixels, colour), Tally(dataset)
        for sample, image, probabilities in seen:
            tally.add(sample, crf.refine(probabilities.astype(np.float32), image), 0.0)
        miou = tally.evaluation(contestant).miou
        found.append((miou, f"{weight},{pixels},{colour}"))
        sys.stdout.write(f"{weight},{pixels},{colour}: {miou:.2f} ({miou - base:+.2f})\n")
        sys.stdout.flush()
    miou, terms = max(found)
    sys.stdout.write(f"best: --crf-appearance {terms}, {miou:.2f} ({miou - base:+.2f})\n")


if __name__ == "__main__":
    main()
