"""The labelled images that a command was given: a folder, how large an image may be, and the words of its labels."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge_deeplab.data.class_list import ClassList
from edge_deeplab.data.dataset import FolderDataset, find_files, open_dataset
from edge_deeplab.data.label_map import LabelMap, RelabelledDataset, read_label_map
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.errors import DataError, MissingSplitError

LabelledFolder = FolderDataset | RelabelledDataset

NamedLabelMap = Mapping[str, str] | str | Path | None
"""A label map, class names by class name, or the path of its file; None where labels stay as they are."""


@dataclass(frozen=True)
class DataFolder:
    """What `--data` and the options beside it mean.

    Args:
        path: as for `open_dataset`.
        max_pixels: a larger image is refused.
        label_map: to other classes, or None.
        classes: what ids in masks mean, of a folder that does not say it; None of others.
    """

    path: Path
    max_pixels: int = MAX_PIXELS
    label_map: LabelMap | None = None
    classes: ClassList | None = None

    @classmethod
    def named(
        cls,
        path: Path,
        max_pixels: int = MAX_PIXELS,
        label_map: NamedLabelMap = None,
        classes: ClassList | None = None,
    ) -> Self:
        """Return what a folder and the options beside it mean; errors as for `read_label_map`."""
        told = None if label_map is None else read_label_map(label_map)
        return cls(path, max_pixels, told, classes)

    def open(self, split: str) -> LabelledFolder:
        """Return a split of it.

        Raises:
            ConfigError: when the label map lists a class that the data has not, or as for `open_dataset`.
            DataError: as for `open_dataset`.
        """
        dataset = open_dataset(self.path, split, max_pixels=self.max_pixels, classes=self.classes)
        return dataset if self.label_map is None else RelabelledDataset(dataset, self.label_map)

    def has(self, split: str) -> bool:
        """Return whether it has a split with images; that they can be read is not said.

        Raises:
            DataError: as for `open_dataset`, of a split that is there; one without images is no absent one.
        """
        try:
            find_files(self.path, split, self.classes)
        except MissingSplitError:
            return False
        return True

    def held_out(self, trained: Sequence[str]) -> dict[str, LabelledFolder]:
        """Return the usual splits that are not among those that are trained on, where they can be opened."""
        opened = {}
        for split in ("val", "test"):
            with suppress(DataError):
                if split not in trained:
                    opened[split] = self.open(split)
        return opened
