"""The class maps of a device's replay, read as strictly as a stranger's files are: what a row of parity is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.data.images import read_grey
from edge_deeplab.description import Description
from edge_deeplab.errors import ArtifactError, DataError
from edge_deeplab.evaluation.scores import finite_or_none
from edge_deeplab.files import file_sha256, path_inside
from edge_deeplab.formats.replay import Replay
from edge_deeplab.runtimes.base import ClassIds, Runtime

_PADDINGS = (4, 8, 16, 32)
"""To a multiple of which accelerators pad the channels of a tensor."""
_LARGEST_HEADER = 1 << 16
"""Bytes that a PNG file may have beside its samples."""


@dataclass(frozen=True)
class NoClass:
    """Pixels whose id is no class of the model.

    Args:
        classes: how many there are.
        pixels: how many pixels have each such id, of all class maps; none where every id is a class.
        lowest: the lowest id of all class maps.
    """

    classes: int
    pixels: Mapping[int, int]
    lowest: int = 0

    @property
    def count(self) -> int:
        """How many pixels there are."""
        return sum(self.pixels.values())

    @property
    def from_one(self) -> bool:
        """Whether ids seem to count from 1: none is 0, and of those that are no class only the next one comes."""
        return self.lowest > 0 and self.pixels.keys() == {self.classes}

    @property
    def padded_to(self) -> int | None:
        """The number of channels that the classes are padded to, where every such id lies within them."""
        if self.from_one:
            return None
        padded = (-(-self.classes // multiple) * multiple for multiple in _PADDINGS)
        largest = max(self.pixels, default=255)
        return next((channels for channels in padded if largest < channels), None)

    @property
    def reason(self) -> str:
        """What was seen, and what may be behind it."""
        ids = ", ".join(f"id {identifier}" for identifier in sorted(self.pixels)[:8])
        more = ", ..." if len(self.pixels) > 8 else ""
        found = (
            f"{self.count} pixels are of no class ({ids}{more}; there are {self.classes} classes)"
        )
        if self.from_one:
            return (
                f"{found}, and none of id 0: ids that count from 1; each counts as wrong; write the ids that the model "
                "gives, from 0"
            )
        if self.padded_to is None:
            return f"{found}; each counts as wrong; write the ids that the model gives"
        return (
            f"{found}: a padded argmax, taken over the {self.padded_to} channels that {self.classes} are padded to; "
            f"each counts as wrong; take the largest of the first {self.classes} scores alone"
        )


@dataclass(frozen=True)
class DeviceReplay:
    """What a row of parity says beside the scores, where a device made the class maps.

    Args:
        account: what the device says of itself.
        same_file: the file that it ran, where it was run here too.
        runtime_agreement: fraction of pixels at which the device and this machine give one class with that file; nan
            where it was not run here.
        no_class: pixels of no class; None where they were not counted: the classes are not known, or it was refused.
    """

    account: Replay
    same_file: Path | None = None
    runtime_agreement: float = nan
    no_class: NoClass | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields that it adds to an entry of `parity --json`."""
        account, lost = self.account, self.no_class
        return {
            "device": account.device,
            "os": account.os,
            "accelerator": {"asked": account.accelerator.asked, "got": account.accelerator.got},
            "model_sha256": account.model_sha256,
            "same_file": None if self.same_file is None else str(self.same_file),
            "runtime_agreement": finite_or_none(self.runtime_agreement),
            "no_class": None
            if lost is None
            else {
                "pixels": lost.count,
                "ids": {str(identifier): count for identifier, count in lost.pixels.items()},
                "padded_to": lost.padded_to,
            },
        }


class ReplayedMasks(Runtime):
    """A replay as what gives class maps; by the photograph's name, because a device ran it and nothing here does.

    Args:
        folder: where the class maps lie.
        account: what its document says.
        description: of the file that the device ran; None where that is not at hand.
    """

    def __init__(self, folder: Path, account: Replay, description: Description | None) -> None:
        self.name = account.runtime_name
        self.path, self.size_hw = folder, account.size_hw
        self.description = description
        self._images = {image.name: image for image in account.images}

    def predict(self, *_: object) -> ClassIds:
        """Refuse: errors as for `logits`."""
        raise self._refuse()

    def logits(self, *_: object) -> Any:
        """Refuse.

        Raises:
            ArtifactError: always; a replay holds class maps of its own photographs alone.
        """
        raise self._refuse()

    def time_once(self, *_: object) -> float:
        """Refuse: errors as for `logits`."""
        raise self._refuse()

    def class_map(self, name: str) -> ClassIds:
        """Return the (H, W) uint8 ids that the device gave for a photograph.

        Args:
            name: the photograph's, without its ending.

        Raises:
            DataError: when the file is absent, is not the one of the replay, no 8-bit grey PNG, or of another size.
        """
        image = self._images[name]
        try:
            path = path_inside(self.path, image.file)
            largest = 2 * self.size_hw[0] * self.size_hw[1] + _LARGEST_HEADER
            if path.is_file() and path.stat().st_size > largest:
                raise ValueError(f"it is larger than {largest} bytes, which no class map needs")
            found = file_sha256(path)
        except (OSError, ValueError) as error:
            raise DataError(
                f"class map {self.path / image.file} cannot be read ({error}); the file that the replay lists was "
                "expected; copy the whole folder again"
            ) from error
        if found != image.sha256:
            raise DataError(
                f"class map {path} has sha256 {found[:12]}, the replay says {image.sha256[:12]}; the file that the "
                "device wrote was expected, unchanged; copy the whole folder again"
            )
        return read_grey(path, self.size_hw)

    def infer_ms(self, name: str) -> float:
        """Return the milliseconds that the device took for a photograph."""
        return self._images[name].ms.infer

    def check_photographs(self, wanted: Sequence[str], known: Iterable[str], data: str) -> None:
        """Check that it is of the photographs that are scored.

        Args:
            wanted: names of those that are.
            known: names of all in the split.
            data: name of the data set.

        Raises:
            DataError: when some are missing, or there are others.
        """
        if missing := [name for name in wanted if name not in self._images]:
            raise DataError(
                f"{self.path} holds class maps of {len(wanted) - len(missing)} of the {len(wanted)} photographs of "
                f"{data}; {missing[0]} is the first that is missing; all were expected; replay the others too, or "
                "limit how many are scored to the first that were replayed"
            )
        if unknown := sorted(self._images.keys() - set(known)):
            raise DataError(
                f"{self.path} holds {len(unknown)} class maps of photographs that {data} has not; {unknown[0]} is the "
                "first; photographs of the data set were expected; name the data and split that were replayed"
            )

    def count_no_class(self, names: Iterable[str], classes: int) -> NoClass:
        """Read every class map and return the pixels of no class; errors as for `class_map`.

        Args:
            names: of the photographs.
            classes: how many there are; larger ids are none.
        """
        counts = np.zeros(256, np.int64)
        for name in names:
            counts += np.bincount(self.class_map(name).ravel(), minlength=256)
        ids = [int(i) for i in np.flatnonzero(counts)]
        pixels = {i: int(counts[i]) for i in ids if i >= classes}
        return NoClass(classes, pixels, lowest=min(ids, default=0))

    def _refuse(self) -> ArtifactError:
        return ArtifactError(
            f"{self.path} holds class maps that a device made; a photograph of that replay was expected, by its name; "
            "run the model's file for others"
        )
