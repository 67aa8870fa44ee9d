"""PASCAL VOC and Cityscapes in the folders that they come in: no copy of them, and no `dataset.toml`.

What that file says of other data is fixed here: names, colours, what is ignored and which label is which class.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edge_deeplab.data.labelled_files import Fault, LabelledFiles, missing_split
from edge_deeplab.description import ClassInfo, voc_colour
from edge_deeplab.errors import DataError

IGNORE_INDEX = 255

VOC_CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
VOC_LICENCE = "flickr terms of use"
VOC_AUGMENTED_SPLIT = "trainaug"
_VOC_FOLDER = "VOC20[0-9][0-9]"

CITYSCAPES_CLASSES = (
    ClassInfo("road", (128, 64, 128)),
    ClassInfo("sidewalk", (244, 35, 232)),
    ClassInfo("building", (70, 70, 70)),
    ClassInfo("wall", (102, 102, 156)),
    ClassInfo("fence", (190, 153, 153)),
    ClassInfo("pole", (153, 153, 153)),
    ClassInfo("traffic light", (250, 170, 30)),
    ClassInfo("traffic sign", (220, 220, 0)),
    ClassInfo("vegetation", (107, 142, 35)),
    ClassInfo("terrain", (152, 251, 152)),
    ClassInfo("sky", (70, 130, 180)),
    ClassInfo("person", (220, 20, 60)),
    ClassInfo("rider", (255, 0, 0)),
    ClassInfo("car", (0, 0, 142)),
    ClassInfo("truck", (0, 0, 70)),
    ClassInfo("bus", (0, 60, 100)),
    ClassInfo("train", (0, 80, 100)),
    ClassInfo("motorcycle", (0, 0, 230)),
    ClassInfo("bicycle", (119, 11, 32)),
)
CITYSCAPES_LICENCE = "Cityscapes terms (non-commercial research)"
CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of each class; the others of the 34 are not trained on or scored."""
_CLASS_OF_LABEL_ID = tuple(
    CITYSCAPES_LABEL_IDS.index(label) if label in CITYSCAPES_LABEL_IDS else IGNORE_INDEX
    for label in range(34)
)
_CITYSCAPES_IMAGE_END = "_leftImg8bit.png"


def find_voc(root: Path) -> Path | None:
    """Return the PASCAL VOC folder that `root` is, or the one `VOC20xx` in it or in its `VOCdevkit`; None without one.

    Raises:
        DataError: when there are several.
    """
    if _is_voc(root):
        return root
    below = (*root.glob(_VOC_FOLDER), *root.glob(f"VOCdevkit/{_VOC_FOLDER}"))
    found = sorted(folder for folder in below if _is_voc(folder))
    if len(found) > 1:
        raise DataError(
            f"data folder {root} holds {' and '.join(map(str, found))}; one PASCAL VOC folder was expected; "
            "pass one of them"
        )
    return found[0] if found else None


def read_voc(root: Path, split: str) -> LabelledFiles:
    """Find one split of PASCAL VOC's segmentation task.

    Args:
        root: folder with `JPEGImages`, `SegmentationClass` and `ImageSets/Segmentation`.
        split: a list in the last of these; the masks of `trainaug` are those of `SegmentationClassAug`.

    Raises:
        DataError: when the split is missing, or names no images.
    """
    masks = root / ("SegmentationClassAug" if split == VOC_AUGMENTED_SPLIT else "SegmentationClass")
    stems = _listed_voc_stems(root, split)
    faults = _voc_faults(root, split, stems)
    proper = [stem for stem in dict.fromkeys(stems) if _is_voc_image(root, stem)]
    pairs = tuple((root / "JPEGImages" / f"{stem}.jpg", masks / f"{stem}.png") for stem in proper)
    folder = root.resolve()  # "." has no name
    year = folder.name.removeprefix("VOC") if folder.match(_VOC_FOLDER) else ""
    return LabelledFiles(
        name=" ".join(filter(None, ("PASCAL VOC", year, split))),
        licence=VOC_LICENCE,
        classes=tuple(ClassInfo(name, voc_colour(i)) for i, name in enumerate(VOC_CLASSES)),
        ignore_index=IGNORE_INDEX,
        pairs=pairs,
        listing_faults=faults,
    )


def is_cityscapes(root: Path) -> bool:
    """Return whether a folder is laid out as Cityscapes is."""
    return (root / "leftImg8bit").is_dir()


def read_cityscapes(root: Path, split: str) -> LabelledFiles:
    """Find one finely annotated split of Cityscapes; the masks are `labelTrainIds` where no `labelIds` are there.

    Args:
        root: folder with `leftImg8bit` and `gtFine`.
        split: a folder in both.

    Raises:
        DataError: when the split or its images are missing.
    """
    images = root / "leftImg8bit" / split
    if not images.is_dir():
        found = (path.name for path in images.parent.iterdir() if path.is_dir())
        raise missing_split(root, split, f"leftImg8bit/{split}", found)
    paths = sorted(images.glob(f"*/*{_CITYSCAPES_IMAGE_END}"))
    if not paths:
        raise DataError(
            f"{images} holds no images; CITY/*{_CITYSCAPES_IMAGE_END} was expected; copy them there"
        )
    masks = root / "gtFine" / split
    has_train_ids = any(masks.glob("*/*_gtFine_labelTrainIds.png"))
    use_train_ids = has_train_ids and not any(masks.glob("*/*_gtFine_labelIds.png"))
    end = f"_gtFine_{'labelTrainIds' if use_train_ids else 'labelIds'}.png"
    return LabelledFiles(
        name=f"Cityscapes {split}",
        licence=CITYSCAPES_LICENCE,
        classes=CITYSCAPES_CLASSES,
        ignore_index=IGNORE_INDEX,
        pairs=tuple(
            (path, masks / path.parent.name / (path.name.removesuffix(_CITYSCAPES_IMAGE_END) + end))
            for path in paths
        ),
        class_of_label=None if use_train_ids else _CLASS_OF_LABEL_ID,
    )


def _is_voc(root: Path) -> bool:
    return (root / "JPEGImages").is_dir() and (root / "ImageSets" / "Segmentation").is_dir()


def _listed_voc_stems(root: Path, split: str) -> list[str]:
    listing = _voc_listing(root, split)
    if not listing.is_file():
        found = (path.stem for path in listing.parent.glob("*.txt"))
        raise missing_split(root, split, f"ImageSets/Segmentation/{split}.txt", found)
    # a byte that is no text cannot be part of a file's name: it is reported with that name
    lines = listing.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    stems = [line.strip() for line in lines if line.strip()]
    if not stems:
        raise DataError(f"{listing} names no images; a stem in each line was expected; mend it")
    return stems


def _voc_listing(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def _is_voc_image(root: Path, stem: str) -> bool:
    return Path(stem).name == stem and (root / "JPEGImages" / f"{stem}.jpg").is_file()


def _voc_faults(root: Path, split: str, stems: Sequence[str]) -> tuple[Fault, ...]:
    """Return what is wrong with a list of stems: those that stand there twice first."""
    listing = _voc_listing(root, split)
    counts = Counter(stems)
    sentences = [
        f"{listing} names {stem!r} {count} times; each image once was expected; remove lines"
        for stem, count in counts.items()
        if count > 1
    ]
    for stem in counts:
        if Path(stem).name != stem:
            sentences.append(
                f"{listing} names {stem!r}, which leads elsewhere; one image stem in each line was expected; mend it"
            )
        elif not _is_voc_image(root, stem):
            image = root / "JPEGImages" / f"{stem}.jpg"
            sentences.append(
                f"{listing} names {stem!r} but {image} does not exist; one image stem in each line was expected; "
                "add the image or remove the line"
            )
    return tuple(Fault(listing, sentence) for sentence in sentences)
