"""A list of classes that a user names: a `dataset.toml`, or a text with one name a line."""

from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.data.dataset_toml import read_dataset_toml
from edge_deeplab.description import MOST_CLASSES, ClassInfo, classes_from_json, voc_colour
from edge_deeplab.errors import ConfigError
from edge_deeplab.files import regular

_LARGEST_BYTES = 1 << 16


@dataclass(frozen=True)
class ClassList:
    """Classes in id order.

    Args:
        classes: of a text, in PASCAL VOC's colours.
        ignore_index: mask value that is not scored, or None.
    """

    classes: tuple[ClassInfo, ...]
    ignore_index: int | None = None


def read_class_list(path: Path) -> ClassList:
    """Return the classes of a file.

    Args:
        path: a `dataset.toml`, or a text with one name a line; empty lines are passed over.

    Raises:
        ConfigError: when the text cannot be read, or lists no classes, too many, or one twice.
        DataError: for a dataset.toml that cannot be used.
    """
    if path.suffix == ".toml":
        told = read_dataset_toml(path)
        return ClassList(told.classes, told.ignore_index)
    try:
        with regular(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ValueError(f"it is larger than {_LARGEST_BYTES >> 10} KiB")
        lines = content.decode("utf-8-sig").splitlines()
        names = [line.strip() for line in lines if line.strip()]
        entries = [{"name": name, "color": voc_colour(i)} for i, name in enumerate(names)]
        return ClassList(classes_from_json(entries))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"classes {path} cannot be used ({error}); 1 to {MOST_CLASSES} names, one a line, or a dataset.toml was "
            "expected; mend it"
        ) from error
