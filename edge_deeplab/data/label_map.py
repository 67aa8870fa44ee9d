"""A label map: a data set's labels in the words of another, so that Cityscapes trains and scores a network of CamVid's.

The idea to hold: a class map says what a *file's* ids mean; a label map changes what the *masks* say, before anything
is trained or scored. A class that it does not list is ignored.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.data.dataset import FolderDataset, Sample
from edge_deeplab.data.dataset_toml import check_keys, parse_classes
from edge_deeplab.data.images import MaskIds
from edge_deeplab.description import ClassInfo, classes_from_json
from edge_deeplab.documents import Fields, read_toml
from edge_deeplab.errors import ConfigError, unknown_choice

IGNORED = 255
"""Label of pixels that are of no class in the other words."""

_KEYS = ("from", "to", "map", "classes")
"""`from` is for readers; `to` names the result."""


@dataclass(frozen=True)
class LabelMap:
    """What labels are called in other words.

    Args:
        name: of the set of classes that they become; empty where nobody named it.
        class_of: the other class of each class that is kept.
        classes: the other classes in id order, with their colours; None: in the order of `class_of`, each with the
            colour of the first class that becomes it.
    """

    name: str
    class_of: Mapping[str, str]
    classes: tuple[ClassInfo, ...] | None = None

    def classes_for(self, own: tuple[ClassInfo, ...]) -> tuple[ClassInfo, ...]:
        """Return the other classes in id order.

        Args:
            own: classes of the data set that is mapped.

        Raises:
            ConfigError: when the map lists a class that is not among them.
        """
        color_of = {each.name: each.color for each in own}
        for name in self.class_of:
            if name not in color_of:
                raise unknown_choice("class of the data in the label map", name, list(color_of))
        if self.classes is not None:
            return self.classes
        colors: dict[str, tuple[int, int, int]] = {}
        for name, other in self.class_of.items():
            colors.setdefault(other, color_of[name])
        return tuple(ClassInfo(name, color) for name, color in colors.items())

    @property
    def sha256(self) -> str:
        """The hash of what it says."""
        content = (list(self.class_of.items()), self.classes)
        return hashlib.sha256(repr(content).encode()).hexdigest()


def read_label_map(given: Mapping[str, str] | str | Path) -> LabelMap:
    """Return a label map that is given as such or as its file.

    Args:
        given: class names by class name, or a TOML file with a table [map] of lines such as road = "road"; `to` there
            names the set of classes that they become, and [[classes]], as in `dataset.toml`, says their order and
            colours.

    Raises:
        ConfigError: when it cannot be read or is no such map.
    """
    try:
        return _parse({"map": given} if isinstance(given, Mapping) else read_toml(Path(given)))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"label map {given!s:.200} cannot be used ({error}); a table [map] of lines such as "
            '"traffic sign" = "sign", from a class of the data to the class that it becomes, was expected; mend it'
        ) from error


def _parse(document: Mapping[str, Any]) -> LabelMap:
    """Return the content; a ValueError says what is wrong with it."""
    check_keys(document, _KEYS)
    told = Fields(document)
    name = told.text("to") if "to" in document else ""
    class_of = told.table("map")
    if not class_of:
        raise ValueError("the table map is empty")
    for own, other in class_of.items():
        pair = Fields({"class": own, "its other name": other})
        pair.text("class")
        pair.text("its other name")
    if "classes" not in document:
        others = dict.fromkeys(class_of.values())
        classes_from_json([{"name": other, "color": (0, 0, 0)} for other in others])
        return LabelMap(name, class_of)
    classes = parse_classes(document)
    listed = [each.name for each in classes]
    for other in class_of.values():
        if other not in listed:
            raise unknown_choice("class among [[classes]]", other, listed)
    return LabelMap(name, class_of, classes)


class RelabelledDataset:
    """A labelled folder in the words of a label map; a `SegmentationDataset`.

    Args:
        source: whose labels are mapped.
        label_map: to which classes; what it does not list is ignored.

    Raises:
        ConfigError: when it lists a class that the source has not.
    """

    def __init__(self, source: FolderDataset, label_map: LabelMap) -> None:
        self.classes = label_map.classes_for(source.classes)
        words = f"as {label_map.name}" if label_map.name else "in other words"
        self.name = f"{source.name} {words} (label map {label_map.sha256[:8]})"
        self.licence = source.licence
        self.ignore_index: int | None = IGNORED
        self._source, self._map = source, label_map
        index = {each.name: i for i, each in enumerate(self.classes)}
        self._label_of = np.full(256, IGNORED, np.uint8)
        for i, each in enumerate(source.classes):
            if each.name in label_map.class_of:
                self._label_of[i] = index[label_map.class_of[each.name]]

    @property
    def names(self) -> tuple[str, ...]:
        """The source's."""
        return self._source.names

    @property
    def photographs(self) -> tuple[Path, ...]:
        """The source's."""
        return self._source.photographs

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        """Read one image and its mask, mapped; errors are the source's."""
        sample = self._source[index]
        return Sample(sample.image_hwc, self._label_of[sample.mask_ids], sample.name)

    def read_mask(self, index: int) -> MaskIds:
        """Read one mask alone, mapped; errors are the source's."""
        return self._label_of[self._source.read_mask(index)]

    def fingerprint(self) -> str:
        """Return the source's: the map is in the name."""
        return self._source.fingerprint()

    def content_sha256(self) -> str:
        """Return the hash of the source's content and of the map."""
        content = f"{self._source.content_sha256()} {self._map.sha256}"
        return hashlib.sha256(content.encode()).hexdigest()
