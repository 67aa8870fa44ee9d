"""What a run is told of its data before it begins: a summary in a few seconds, and what will hurt; nothing is refused.

Only what costs little is looked at: masks of the splits that are trained on, up to some hundred million pixels of them,
and files of equal size in two splits. `inspect` looks at everything.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.folder import DataFolder, LabelledFolder
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.files import file_sha256
from edge_deeplab.progress import Progress

_MOST_PIXELS = 200_000_000
"""Of masks, that are counted: all of CamVid's, and what is decoded in about three seconds."""
_MOST_NAMED = 3
_RARE = 0.005


def tell_data(folder: DataFolder, trained: Sequence[str], progress: Progress) -> None:
    """Note what the splits that are trained on hold, and what will hurt the run.

    Args:
        folder: the labelled images.
        trained: its splits that are trained on.
        progress: told the lines; none where the data cannot be read, which the run itself will say.
    """
    progress.begin("looking at the data")
    try:
        opened = {split: folder.open(split) for split in trained}
        for line in (*_tell_classes(opened), *_tell_copies(opened, folder.held_out(trained))):
            progress.note(line)
    except (EdgeDeepLabError, OSError):
        return


def _tell_classes(opened: Mapping[str, LabelledFolder]) -> Iterator[str]:
    names = [each.name for each in next(iter(opened.values())).classes]
    total = sum(map(len, opened.values()))
    counts, seen = _count_pixels(opened.values(), len(names), total)
    shares = counts / max(1, counts.sum())
    by_share = [int(i) for i in np.argsort(shares, kind="stable")]
    rare = [f"{names[i]} ({shares[i]:.2%})" for i in by_share if 0 < shares[i] < _RARE]
    splits = " and ".join(f"{len(dataset)} images of {name}" for name, dataset in opened.items())
    of = "" if seen == total else f" (of {seen} of {total} masks, spread over them)"
    told = f"; rare: {_some(rare)}" if rare else ""
    yield f"data: {splits}, {len(names)} classes{told}{of if rare else ''}"
    if absent := [names[i] for i in range(len(names)) if not counts[i]]:
        yield (
            f"warning: no mask that is trained on{of} holds a pixel of {_some(absent)}: it is not learnt; add "
            "pictures that show it, or list fewer classes"
        )


def _count_pixels(
    datasets: Iterable[LabelledFolder], classes: int, total: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the pixels of each class in masks spread over the data sets, and how many masks that were."""
    every = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    counts, seen, step = np.zeros(classes, np.int64), 0, 1
    while seen * step < total:
        dataset, index = every[seen * step]
        ids = dataset.read_mask(index)
        counts += np.bincount(ids.ravel(), minlength=256)[:classes]
        if seen == 0:
            step = max(1, -(-ids.size * total // _MOST_PIXELS))
        seen += 1
    return counts, seen


def _tell_copies(
    opened: Mapping[str, LabelledFolder], others: Mapping[str, LabelledFolder]
) -> Iterator[str]:
    """Give the splits that hold files of those that are trained on, byte for byte."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in (path for dataset in opened.values() for path in dataset.photographs):
        by_size[path.stat().st_size].append(path)
    hashes: dict[Path, str] = {}

    def content(path: Path) -> str:
        if path not in hashes:
            hashes[path] = file_sha256(path)
        return hashes[path]

    for split, dataset in others.items():
        copies = [
            path
            for path in dataset.photographs
            if any(content(path) == content(own) for own in by_size.get(path.stat().st_size, ()))
        ]
        if copies:
            yield (
                f"warning: {len(copies)} of the {len(dataset)} pictures of {split} are trained on too "
                f"({_some([path.name for path in copies])}): its score will be too good; remove them from either "
                "(edge-deeplab data names each, and those that look alike)"
            )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
