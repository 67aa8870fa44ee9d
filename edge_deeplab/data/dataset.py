"""A labelled data set: the protocol every part of the package reads, and the folder of files behind it.

A folder says what it is with its `dataset.toml`; without one it is known as PASCAL VOC or Cityscapes by its layout.

Everything is checked where it is read, so a wrong mask is reported with its path, value and
position and never trained on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_deeplab.data.class_list import ClassList
from edge_deeplab.data.dataset_toml import FILE, DatasetToml, read_dataset_toml
from edge_deeplab.data.images import (
    ImageHWC,
    MaskIds,
    images_in,
    read_image,
    read_labels,
)
from edge_deeplab.data.inspection.flat import find_splits_below
from edge_deeplab.data.labelled_files import NOT_A_LABEL, LabelledFiles, missing_split
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.standard_layouts import find_voc, is_cityscapes, read_cityscapes, read_voc
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ConfigError, DataError


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Args:
        image_hwc: (H, W, 3) uint8 RGB.
        mask_ids: (H, W) uint8 class ids, or the data set's ignore index.
        name: file stem, or the seed of a rendered scene.
    """

    image_hwc: ImageHWC
    mask_ids: MaskIds
    name: str


class SegmentationDataset(Protocol):
    """What training, evaluation and parity read.

    Attributes:
        name: name of the data set, with its split.
        licence: licence of the images.
        classes: classes in id order.
        ignore_index: mask value that is not scored, or None.
        names: of all samples of the split, in order; where only the first are kept, of those that are not too.
    """

    @property
    def name(self) -> str: ...

    @property
    def licence(self) -> str: ...

    @property
    def classes(self) -> tuple[ClassInfo, ...]: ...

    @property
    def ignore_index(self) -> int | None: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class FolderDataset:
    """One split of a folder of images and masks, in any layout.

    Args:
        files: what the layout's reader found.
        max_pixels: a larger image or mask is refused before it is decoded.

    Raises:
        DataError: when a mask is missing, two images share one, or the list of images is wrong.
    """

    def __init__(self, files: LabelledFiles, max_pixels: int = MAX_PIXELS) -> None:
        files.check()
        self.name = files.name
        self.licence = files.licence
        self.classes = files.classes
        self.ignore_index = files.ignore_index
        self._files = files
        self._max_pixels = max_pixels
        self._class_of_label = files.class_lookup()

    @property
    def names(self) -> tuple[str, ...]:
        """The images' file stems."""
        return tuple(image.stem for image, _ in self._files.pairs)

    @property
    def photographs(self) -> tuple[Path, ...]:
        """The images' files, in order."""
        return tuple(image for image, _ in self._files.pairs)

    def __len__(self) -> int:
        return len(self._files.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Read one image and its mask.

        Raises:
            DataError: for an unreadable or too large file, a size mismatch, or a label out of range.
        """
        image_path, mask_path = self._files.pairs[index]
        image = read_image(image_path, max_pixels=self._max_pixels)
        labels = read_labels(mask_path, max_pixels=self._max_pixels)
        mask = self._classes_of(labels, mask_path)
        if mask.shape != image.shape[:2]:
            raise DataError(
                f"mask {mask_path} is {_size(mask)} but its image {image_path.name} is {_size(image)}; "
                "both must have one size once each is turned by its EXIF orientation; write the mask at the size of "
                "the upright image"
            )
        return Sample(image, mask, image_path.stem)

    def read_mask(self, index: int) -> MaskIds:
        """Read one mask alone, (H, W) uint8 class ids or the ignore index; errors as for a sample's."""
        path = self._files.pairs[index][1]
        return self._classes_of(read_labels(path, max_pixels=self._max_pixels), path)

    def content_sha256(self) -> str:
        """Return the hash of the classes and of all images and masks, names included."""
        return self._files.content_sha256()

    def fingerprint(self) -> str:
        """Return a hash of the masks and of the images' names and sizes, wherever they lie."""
        return self._files.fingerprint()

    def _classes_of(self, labels: npt.NDArray[np.uint8], path: Path) -> MaskIds:
        ids = self._class_of_label[labels]  # (H, W)
        wrong = ids == NOT_A_LABEL
        if wrong.any():
            row, column = divmod(int(wrong.argmax()), labels.shape[1])  # the first
            ignored = "" if self.ignore_index is None else f" or {self.ignore_index} (ignored)"
            listed = "" if self._files.description is None else " or list the class in dataset.toml"
            raise DataError(
                f"mask {path} holds label {labels[row, column]} at row {row}, column {column}; "
                f"0 to {len(self._files.labels) - 1}{ignored} was expected; mend the mask{listed}"
            )
        return ids.astype(np.uint8)


UNDESCRIBED_IGNORE = 255
"""What is ignored in the masks of a folder whose classes were told and nothing else."""


def open_dataset(
    root: Path, split: str, *, max_pixels: int = MAX_PIXELS, classes: ClassList | None = None
) -> FolderDataset:
    """Open one split of a data folder: one with a `dataset.toml`, PASCAL VOC, Cityscapes, or of classes that are told.

    Args:
        root: the folder; a `dataset.toml` in it is believed before its layout.
        split: name of the split.
        max_pixels: a larger image or mask is refused when it is read.
        classes: what the ids in the masks mean, for a folder that does not say it.

    Raises:
        ConfigError: when classes are told of a folder that says its own.
        DataError: when the folder, its description, the split, an image or a mask is missing.
    """
    return FolderDataset(find_files(root, split, classes), max_pixels)


def is_data_folder(root: Path) -> bool:
    """Return whether a folder is one that `open_dataset` knows."""
    return (root / FILE).is_file() or find_voc(root) is not None or is_cityscapes(root)


def find_files(root: Path, split: str, classes: ClassList | None = None) -> LabelledFiles:
    """Find the images and masks of one split of a data folder; nothing is read, and faults are not raised.

    Args:
        root: the folder.
        split: name of the split.
        classes: as for `open_dataset`.

    Raises:
        ConfigError: as for `open_dataset`.
        DataError: when the folder, its description or the split is missing, or it holds no images.
    """
    if not root.is_dir():
        lacks = "is no folder" if root.exists() else "does not exist"
        raise DataError(
            f"data folder {root} {lacks}; pass a folder that holds dataset.toml, PASCAL VOC or Cityscapes"
        )
    if classes is not None:
        return _read_told_folder(root, split, classes)
    if (root / FILE).is_file():
        return _read_toml_folder(root, split)
    if (voc := find_voc(root)) is not None:
        return read_voc(voc, split)
    if is_cityscapes(root):
        return read_cityscapes(root, split)
    raise DataError(
        f"data folder {root} has no dataset.toml; name, ignore_index and [[classes]] "
        "with name and color were expected there; write one (docs/data.md shows it), or pass a folder with JPEGImages, "
        "SegmentationClass and ImageSets/Segmentation (PASCAL VOC) or with leftImg8bit and gtFine (Cityscapes)"
    )


def _read_toml_folder(root: Path, split: str) -> LabelledFiles:
    document = read_dataset_toml(root / FILE)
    return described_files(root, document, split, pair_files(root, split))


def described_files(
    root: Path, document: DatasetToml, split: str, pairs: tuple[tuple[Path, Path], ...]
) -> LabelledFiles:
    """Return images and masks of a folder as its `dataset.toml` describes them."""
    return LabelledFiles(
        name=f"{document.name} {split}",
        licence=document.licence,
        classes=document.classes,
        ignore_index=document.ignore_index,
        pairs=pairs,
        description=root / FILE,
    )


def _read_told_folder(root: Path, split: str, told: ClassList) -> LabelledFiles:
    if is_data_folder(root):
        raise ConfigError(
            f"classes came with {root}, which says itself what its masks mean; one of the two was expected; leave the "
            "classes out"
        )
    ignored = UNDESCRIBED_IGNORE if len(told.classes) <= UNDESCRIBED_IGNORE else None
    return LabelledFiles(
        name=f"{root.resolve().name} {split}",
        licence="",
        classes=told.classes,
        ignore_index=ignored if told.ignore_index is None else told.ignore_index,
        pairs=pair_files(root, split),
    )


def pair_files(root: Path, split: str) -> tuple[tuple[Path, Path], ...]:
    """Return the images of a split of a folder of this project's own layout, each with where its mask belongs.

    Raises:
        DataError: when there is no such split, or no image in it.
    """
    images = root / split / "images"
    if not images.is_dir():
        below = find_splits_below(root)
        if below is not None and split in below.names:
            raise DataError(below.tell(split))
        found = sorted(path.parent.name for path in root.glob("*/images"))
        if (root / "images").is_dir() and not found:
            raise DataError(
                f"data folder {root} has its images in no split; {split}/images and {split}/masks were expected in it; "
                "move there what is of that split"
            )
        raise missing_split(root, split, f"{split}/images", found)
    return pair_folders(images, root / split / "masks")


def pair_folders(images: Path, masks: Path) -> tuple[tuple[Path, Path], ...]:
    """Return the images of a folder, each with where its mask belongs in another.

    Raises:
        DataError: when there is no image, or the folder cannot be listed.
    """
    return tuple((path, masks / f"{path.stem}.png") for path in images_in(images))


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
