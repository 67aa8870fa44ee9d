"""Which splits a data folder has, and what lies beside their pairs: files that nothing reads, links that lead out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge_deeplab.data.dataset import described_files, find_files, pair_files, pair_folders
from edge_deeplab.data.dataset_toml import (
    FILE,
    DatasetToml,
    dataset_toml_faults,
    read_dataset_toml,
)
from edge_deeplab.data.images import IMAGE_ENDINGS
from edge_deeplab.data.inspection.flat import (
    IMAGES,
    WHOLE,
    SplitsBelow,
    find_flat,
    find_splits_below,
)
from edge_deeplab.data.inspection.problem import Problem
from edge_deeplab.data.labelled_files import LabelledFiles
from edge_deeplab.data.standard_layouts import find_voc, is_cityscapes
from edge_deeplab.errors import DataError

USUAL_SPLITS = ("train", "val", "test")
"""What is learnt from, what the best epoch is chosen by, and what is scored, where nothing else is asked for."""

_MASK_ENDINGS = (".png",)
_OF_THE_SYSTEM = ("Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class FoundSplit:
    """One split as it lies there.

    Args:
        name: of the split.
        folder: that its images lie in, or the list that names them.
        files: its pairs; those without a mask of their own are faults of it.
    """

    name: str
    folder: Path
    files: LabelledFiles

    def pairs(self) -> tuple[tuple[Path, Path | None], ...]:
        """Return each image, with its mask; None where it has none of its own."""
        found: dict[Path, Path | None] = {}
        taken: set[Path] = set()
        for image, mask in self.files.pairs:
            found[image] = mask if mask not in taken and mask.is_file() else None
            taken.add(mask)
        return tuple(found.items())


@dataclass(frozen=True)
class FoundData:
    """A data folder as it lies there, before any picture is read.

    Args:
        root: the folder.
        splits: `train`, `val` and `test` first.
        problems: those that are seen without reading a picture.
    """

    root: Path
    splits: tuple[FoundSplit, ...]
    problems: tuple[Problem, ...]


def find_data(root: Path) -> FoundData:
    """Return the splits of a data folder, and what is wrong with it before any picture is read.

    Raises:
        DataError: when it is no folder of labelled images at all.
    """
    described = root.is_dir() and (root / FILE).is_file()
    voc = find_voc(root) if root.is_dir() and not described else None
    if voc is not None:
        lists = (voc / "ImageSets" / "Segmentation").glob("*.txt")
        splits, problems = _open_splits(root, {path.stem: path for path in lists})
        problems += _unread(voc / "SegmentationClass", voc / "JPEGImages", (".jpg",))
    elif root.is_dir() and not described and is_cityscapes(root):
        folders = [path for path in (root / "leftImg8bit").iterdir() if path.is_dir()]
        splits, problems = _open_splits(root, {path.name: path for path in folders})
        problems += [p for path in folders for p in _unread_in_cityscapes(root, path)]
    else:
        splits, problems = _open_own(root)
    if not any(each.folder.parent == root for each in splits):  # the whole of it is no split
        problems += _missing(root, {each.name for each in splits}, problems)
    for split in splits:
        listed = split.files.listing_faults
        problems += [
            Problem.of("list" if fault in listed else "pair", fault.path, fault.sentence)
            for fault in split.files.faults()
        ]
    return FoundData(root, _in_order(splits), (*problems, *_links(root, splits)))


def _in_order(splits: Iterable[FoundSplit]) -> tuple[FoundSplit, ...]:
    order = {name: index for index, name in enumerate(USUAL_SPLITS)}
    return tuple(sorted(splits, key=lambda each: (order.get(each.name, len(order)), each.name)))


def _open_splits(root: Path, folders: dict[str, Path]) -> tuple[list[FoundSplit], list[Problem]]:
    """Return the splits of a layout that says itself what its labels mean, and those that cannot be listed."""
    splits, problems = [], []
    for name, folder in sorted(folders.items()):
        try:
            splits.append(FoundSplit(name, folder, find_files(root, name)))
        except DataError as error:
            problems.append(Problem.of("split", folder, str(error)))
    return splits, problems


def _open_own(root: Path) -> tuple[list[FoundSplit], list[Problem]]:
    """Return the splits of a folder of this project's own layout; without a usable description they have no classes.

    Raises:
        DataError: when there is neither a description nor a split.
    """
    described = (root / FILE).is_file()
    faults = dataset_toml_faults(root / FILE) if described else ()
    names = {path.parent.name for kind in ("images", "masks") for path in root.glob(f"*/{kind}")}
    below = find_splits_below(root) if root.is_dir() else None
    flat = find_flat(root) if root.is_dir() and not names and below is None else None
    if not described:
        if not names and flat is None and below is None:
            find_files(root, "train")  # refuses it
        faults = (
            f"{root / FILE} does not exist, so what the ids in the masks mean is not known; name, ignore_index and "
            "[[classes]] with name and color were expected there; write it (docs/data.md shows one)",
        )
    problems = [Problem.of("description", root / FILE, fault) for fault in faults]
    document = None if faults else read_dataset_toml(root / FILE)
    if flat is not None:
        return _open_flat(root, flat, document, problems)
    problems += _in_no_split(root) if below is None else _below(below)
    names |= set() if document is None else {*map(_plain, document.splits)} - {""}
    splits = []
    for name in sorted(names):
        problems += _unread(root / name / "masks", root / name / "images", IMAGE_ENDINGS)
        try:
            files = (
                LabelledFiles(f"{root.name} {name}", "", (), None, pair_files(root, name))
                if document is None
                else find_files(root, name)
            )
            splits.append(FoundSplit(name, root / name / "images", files))
        except DataError as error:
            problems.append(Problem.of("split", root / name, str(error)))
    return splits, problems


def _open_flat(
    root: Path, flat: tuple[Path, Path], document: DatasetToml | None, problems: list[Problem]
) -> tuple[list[FoundSplit], list[Problem]]:
    """Return the one split of a folder whose images and masks lie in no split, with that among its problems."""
    images, masks = flat
    sentence = (
        f"{images.name} and {masks.name} lie in {root} in no split, so nothing can be trained on or scored; "
        "train/images and train/masks, and likewise val and test, were expected there; move the files"
    )
    told = [*problems, Problem.of("split", root, sentence), *_unread(masks, images, IMAGE_ENDINGS)]
    try:
        pairs = pair_folders(images, masks)
    except DataError as error:
        return [], [*told, Problem.of("split", images, str(error))]
    files = (
        LabelledFiles(f"{root.name} {WHOLE}", "", (), None, pairs)
        if document is None
        else described_files(root, document, WHOLE, pairs)
    )
    return [FoundSplit(WHOLE, images, files)], told


def _below(found: SplitsBelow) -> list[Problem]:
    return [Problem.of("split", found.images / name, found.tell(name)) for name in found.names]


def _in_no_split(root: Path) -> list[Problem]:
    """Return that pictures lie beside the splits, in none of them."""
    loose = [path for path in _entries(root / IMAGES) if path.suffix.lower() in IMAGE_ENDINGS]
    sentence = (
        f"{len(loose)} pictures of {root / IMAGES} lie in no split, so nothing reads them; folders images and masks of "
        "a split were expected; move them and their masks there, or remove them"
    )
    return [Problem(root / IMAGES, sentence, "split", stops=False)] if loose else []


def _plain(name: str) -> str:
    """Return a split's name if it is one of a folder below the data's; else nothing."""
    return name if Path(name).name == name else ""


def _missing(root: Path, found: set[str], problems: Iterable[Problem]) -> list[Problem]:
    told = {problem.path.stem for problem in problems if problem.kind == "split"}
    cost = {
        "train": "training has nothing to learn from unless its recipe names other splits",
        "val": "no epoch of a training can be chosen by its score unless its recipe names another split",
        "test": "nothing is scored unless another split is named",
    }
    return [
        Problem(root / name, f"there is no split {name!r}: {cost[name]}", "split", stops=False)
        for name in USUAL_SPLITS
        if name not in found | told
    ]


def _unread(masks: Path, images: Path, endings: tuple[str, ...]) -> list[Problem]:
    """Return files of two folders that no pair reads: masks without an image, and what is neither."""
    stems = {path.stem for path in _entries(images) if path.suffix.lower() in endings}
    problems = []
    for path in _entries(masks):
        if path.suffix not in _MASK_ENDINGS:
            problems.append(_stray(path, f"masks are files ending in {', '.join(_MASK_ENDINGS)}"))
        elif path.stem not in stems:
            sentence = f"mask {path} has no image in {images}; add it or remove the mask"
            problems.append(Problem(path, sentence, "pair", stops=False))
    expected = f"images are files ending in {', '.join(endings)}"
    strays = (path for path in _entries(images) if path.suffix.lower() not in endings)
    return [*problems, *(_stray(path, expected) for path in strays)]


def _unread_in_cityscapes(root: Path, images: Path) -> Iterator[Problem]:
    end = "_gtFine_labelIds.png"
    for mask in sorted((root / "gtFine" / images.name).glob(f"*/*{end}")):
        image = images / mask.parent.name / f"{mask.name.removesuffix(end)}_leftImg8bit.png"
        if not image.is_file():
            sentence = f"mask {mask} has no image; {image} was expected; add it or remove the mask"
            yield Problem(mask, sentence, "pair", stops=False)


def _stray(path: Path, expected: str) -> Problem:
    return Problem(
        path, f"{path} is read by nothing: {expected}; convert or remove it", "pair", stops=False
    )


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, in order; nothing of none or of one that cannot be listed, and no hidden files."""
    try:
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:  # who pairs its pictures says so
        inside = []
    return [p for p in inside if not p.name.startswith(".") and p.name not in _OF_THE_SYSTEM]


def _links(root: Path, splits: Iterable[FoundSplit]) -> Iterator[Problem]:
    """Give each link that leads out of the folder once: a folder of pictures, or a single one."""
    home = root.resolve()
    told: set[Path] = set()

    @cache
    def leads_out(path: Path) -> bool:
        try:
            return not path.resolve().is_relative_to(home)
        except (OSError, RuntimeError):  # a link that leads to itself: reading it fails
            return False

    for path in (path for split in splits for pair in split.files.pairs for path in pair):
        place = next((each for each in (path.parent, path) if leads_out(each)), None)
        if place is None or place in told:
            continue
        told.add(place)
        yield Problem(
            place,
            f"{place} leads out of the data folder, to {place.resolve()}; files in the folder were expected, because a "
            "copy of it would lack them; copy what it leads to",
            "link",
            stops=False,
        )
