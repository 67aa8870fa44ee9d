"""A data set is inspected: every file is read, every problem named, nothing changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edge_deeplab.data.inspection.copies import find_copies
from edge_deeplab.data.inspection.layout import FoundData, FoundSplit, find_data
from edge_deeplab.data.inspection.looking import look_at_all
from edge_deeplab.data.inspection.pair import Look, Pair, lacks_likeness
from edge_deeplab.data.inspection.problem import Problem
from edge_deeplab.data.inspection.sheet import check_sheet, write_sheet
from edge_deeplab.data.inspection.summary import DataSummary, SplitSummary, summarise
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.outputs import Output, write_all
from edge_deeplab.progress import SILENT, Progress


@dataclass(frozen=True)
class InspectRequest:
    """A data set to inspect.

    Args:
        path: its folder.
        sheet: PNG to write some pictures of each split to, their masks drawn over; None writes none.
        max_pixels: a larger picture is a problem.
        workers: processes that read.

    Raises:
        ConfigError: when the sheet is no PNG.
        OutputError: when it cannot be written there.
    """

    path: Path
    sheet: Path | None = None
    max_pixels: int = MAX_PIXELS
    workers: int = 1

    def __post_init__(self) -> None:
        if self.sheet is not None:
            check_sheet(self.sheet, self.path)


def inspect(request: InspectRequest, progress: Progress = SILENT) -> DataSummary:
    """Read every image and mask of a data set and return what it holds and all that is wrong with it.

    Raises:
        DataError: when the path is no folder of labelled images, or a process that reads is lost.
        UnwrittenError: with the summary, when the sheet cannot be drawn or written.
    """
    found = find_data(request.path)
    looks = _look_at_splits(found, request, progress)
    splits = {split.name: summarise(split.files, looks[split.name]) for split in found.splits}
    progress.begin("comparing pictures")
    problems = [
        *found.problems,
        *(problem for seen in looks.values() for look in seen for problem in look.problems),
        *_class_problems(found, splits),
        *find_copies(looks),
    ]
    unique = dict.fromkeys(sorted(problems, key=lambda problem: not problem.stops))
    lack = lacks_likeness()
    left_out = () if lack is None else (f"pictures that look alike across splits: {lack}",)
    summary = DataSummary(request.path, splits, tuple(unique), not_looked_for=left_out)
    if (sheet := request.sheet) is None:
        return summary
    progress.begin("drawing the contact sheet")
    whole = {name: [look.image for look in seen if look.is_whole] for name, seen in looks.items()}
    write = partial(write_sheet, sheet, found, whole, request.max_pixels)
    write_all(summary, [Output(sheet, write)])
    return replace(summary, sheet=sheet)


def _look_at_splits(
    found: FoundData, request: InspectRequest, progress: Progress
) -> dict[str, list[Look]]:
    """Return what was seen of each split's pairs; a pair that two splits have is looked at once."""
    pairs = {
        (split.name, image): Pair(
            image,
            mask,
            split.files.class_lookup() if split.files.classes else None,
            request.max_pixels,
        )
        for split in found.splits
        for image, mask in split.pairs()
    }
    distinct = {(pair.image, pair.mask): pair for pair in pairs.values()}
    seen = dict(
        zip(
            distinct,
            look_at_all(tuple(distinct.values()), request.workers, progress),
            strict=True,
        )
    )
    looks: dict[str, list[Look]] = {split.name: [] for split in found.splits}
    for (name, _), pair in pairs.items():
        looks[name].append(seen[pair.image, pair.mask])
    return looks


def _class_problems(found: FoundData, splits: Mapping[str, SplitSummary]) -> Iterator[Problem]:
    """Give the classes that a split has no pixel of, and the splits that have no labelled pixel at all."""
    for split in found.splits:
        summary = splits[split.name]
        if not summary.usable or not split.files.classes:
            continue
        absent = [name for name, share in summary.class_share.items() if not share]
        if len(absent) == len(summary.class_share):
            sentence = f"no mask of {split.name} holds a pixel of any class; labels were expected; score another split"
            yield Problem.of("class", split.folder, sentence)
            continue
        for name in absent:
            yield Problem.of("class", split.folder, _tell_absent(split, name))


def _tell_absent(split: FoundSplit, name: str) -> str:
    cost = (
        "it is never learnt from it; add pictures that show it, or list fewer classes"
        if split.name.startswith("train")
        else "it has no IoU there; add pictures that show it"
    )
    return f"no mask of {split.name} holds a pixel of class {name!r}: {cost}"
