"""What was found in a data set: its splits in numbers, and all that is wrong with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.data.inspection.pair import Look
from edge_deeplab.data.inspection.problem import Problem
from edge_deeplab.data.labelled_files import LabelledFiles
from edge_deeplab.text import size_text


@dataclass(frozen=True)
class SplitSummary:
    """One split in numbers; what cannot be used counts only among its images.

    Args:
        images: that lie there.
        usable: those that can be read, with a mask that fits.
        class_share: of the pixels that are of a class, by name; all 0 where there are none.
        images_with: how many masks hold a class, by name.
        ignored_share: of all pixels, those of no class.
        sizes: how many images have a size, the most frequent first.
    """

    images: int
    usable: int
    class_share: Mapping[str, float]
    images_with: Mapping[str, int]
    ignored_share: float
    sizes: Mapping[tuple[int, int], int]

    def to_json(self) -> dict[str, Any]:
        """Return its entry in the document of `data --json`."""
        return {
            "images": self.images,
            "usable": self.usable,
            "class_share": dict(self.class_share),
            "images_with": dict(self.images_with),
            "ignored_share": self.ignored_share,
            "sizes": {size_text(size): count for size, count in self.sizes.items()},
        }


@dataclass(frozen=True)
class DataSummary:
    """All that was found.

    Args:
        path: the data folder.
        splits: by name, `train`, `val` and `test` first.
        problems: all that is wrong, those on which reading ends first.
        sheet: the contact sheet's file; None where none was asked for or written.
        not_looked_for: what was left out, and why; empty where nothing was.
    """

    path: Path
    splits: Mapping[str, SplitSummary]
    problems: tuple[Problem, ...]
    sheet: Path | None = None
    not_looked_for: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all of it can be read: no problem stops that."""
        return not any(problem.stops for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `data --json`."""
        return {
            "path": str(self.path),
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "problems": [problem.to_json() for problem in self.problems],
            "sheet": None if self.sheet is None else str(self.sheet),
            "not_looked_for": list(self.not_looked_for),
            "passed": self.passed,
        }


def summarise(files: LabelledFiles, looks: Sequence[Look]) -> SplitSummary:
    """Return a split in numbers.

    Args:
        files: of the split; without classes, labels are named by their number.
        looks: at each of its images.
    """
    whole = [look for look in looks if look.is_whole]
    lookup = files.class_lookup().tolist()
    names = [each.name for each in files.classes]
    pixels: Counter[str] = Counter(dict.fromkeys(names, 0))
    images: Counter[str] = Counter(dict.fromkeys(names, 0))
    ignored = 0
    for look in whole:
        held = set()
        for label, count in (look.pixels or {}).items():
            class_id = lookup[label] if names else label
            if names and not 0 <= class_id < len(names):
                ignored += count
                continue
            name = names[class_id] if names else str(label)
            pixels[name] += count
            held.add(name)
        images.update(held)
    total = sum(pixels.values())
    return SplitSummary(
        len(looks),
        len(whole),
        {name: count / total if total else 0.0 for name, count in pixels.items()},
        dict(images),
        ignored / (total + ignored) if total + ignored else 0.0,
        dict(Counter(look.image_hw for look in looks if look.image_hw).most_common()),
    )
