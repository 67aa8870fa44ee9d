"""A first run without a recipe: size, crops, batch, rates and epochs that follow from the data and the machine.

The idea to hold: what is chosen is only a start. It is told, and it stands in the run's `recipe.toml` to be edited.
"""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from edge_deeplab.data.images import read_size
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.text import size_text

_MULTIPLE = 16
"""Sizes are multiples of it: every resize then has a whole ratio on every target."""
_LARGEST_AREA = 368 * 480
"""Pixels of the largest size that is chosen; that of the shipped checkpoints."""
_CROP_SIDE = {"cpu": 256}
_LARGEST_CROP_SIDE = 352
_GIB_A_CROP = 0.5
"""Memory of a training step that is reckoned with for each crop of the largest side: a guess, not measured, of which
half of the machine's is filled at most."""
_BATCHES = (16, 12, 8, 6, 4, 2)
_LARGEST_BATCH = {"cpu": 8}
_CROPS_OF_A_RUN = {"cpu": 6_000}
"""Crops that a run shows on a processor, where 160 of 256x256 and their validation took 162 s of processor time; on a
GPU five times as many."""
_CROPS_ON_A_GPU = 30_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 10, 100
_RATE_OF_8, _BACKBONE_RATE_OF_8 = 1e-3, 3e-4
_LOOKED_AT = 64
"""Images whose headers are read at most, spread over the split."""


@dataclass(frozen=True)
class Machine:
    """What a run has to its disposal.

    Args:
        device: "cpu", "cuda" or "mps".
        memory_gib: that it has.
        processes: that run together, each on a device of its own, as under torchrun.
    """

    device: str
    memory_gib: float
    processes: int = 1

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine: its accelerator, if it has one.

        Raises:
            ConfigError: when WORLD_SIZE, which torchrun sets, is no number of processes.
        """
        processes = _processes(os.environ.get("WORLD_SIZE", "1"))
        if torch.cuda.is_available():
            memory = torch.cuda.get_device_properties(0).total_memory
            return cls("cuda", memory / 2**30, processes)
        device = "mps" if torch.backends.mps.is_available() else "cpu"
        return cls(device, _memory_gib() / processes, processes)


@dataclass(frozen=True)
class Given:
    """What a run's caller has said; None where it is to be chosen.

    Args:
        epochs: times that the run goes over its images.
        size_hw: pixels that the checkpoint is evaluated and exported at.
        batch_size: crops a step.
        starts_trained: whether it starts from a checkpoint whose head is trained too.
    """

    epochs: int | None = None
    size_hw: tuple[int, int] | None = None
    batch_size: int | None = None
    starts_trained: bool = False


def choose_recipe(
    images: Sequence[Path], validated: int | None, given: Given, machine: Machine
) -> dict[str, dict[str, Any]]:
    """Return the sections of a recipe for a first run, by name and key.

    Args:
        images: that are trained on.
        validated: how many images of the split `val` there are; None where there is no such split.
        given: what is not to be chosen.
        machine: where it runs.

    Raises:
        DataError: when none of the images that are looked at can be read.
    """
    own_hw = typical_size(images)
    size_hw = given.size_hw or fit_size(own_hw)
    side = _CROP_SIDE.get(machine.device, _LARGEST_CROP_SIDE)
    crop_hw = min(size_hw[0], side), min(size_hw[1], side)
    batch = given.batch_size or _choose_batch(len(images), crop_hw, machine)
    crops = _CROPS_OF_A_RUN.get(machine.device, _CROPS_ON_A_GPU)
    repeat = math.ceil(batch / len(images))  # an epoch has a batch
    epochs = given.epochs or min(max(round(crops / len(images)), _FEWEST_EPOCHS), _MOST_EPOCHS)
    shrunk = math.sqrt(math.prod(size_hw) / math.prod(own_hw))
    rate = math.sqrt(batch / 8) / (2 if given.starts_trained else 1)
    return {
        "data": {
            "validation_split": "" if validated is None else "val",
            "size_hw": size_hw,
            "crop_hw": crop_hw,
            "scale": tuple(float(f"{factor * min(1.0, shrunk):.3g}") for factor in (0.5, 2.0)),
            "repeat": repeat,
        },
        "optimiser": {
            "epochs": epochs,
            "batch_size": batch,
            "learning_rate": float(f"{_RATE_OF_8 * rate:.2g}"),
            "backbone_learning_rate": float(f"{_BACKBONE_RATE_OF_8 * rate:.2g}"),
            "warmup_steps": min(100, epochs * (len(images) * repeat // batch) // 20),
            "validate_every": _validate_every(epochs, len(images), validated or 0),
        },
    }


def tell_choice(sections: dict[str, dict[str, Any]], images: int, machine: Machine) -> str:
    """Return in one line what was chosen and from what."""
    data, optimiser = sections["data"], sections["optimiser"]
    every = optimiser["validate_every"]
    validated = "every epoch" if every == 1 else f"every {every} epochs"
    if not data["validation_split"]:
        validated = "never (there is no split val: the last epoch is kept)"
    repeated = f" of each image {data['repeat']} times" if data["repeat"] > 1 else ""
    return (
        f"chosen for {images} images and {machine.memory_gib:.0f} GiB on {machine.device}: "
        f"size {size_text(data['size_hw'])}, crops {size_text(data['crop_hw'])} at scale {data['scale'][0]:g} to "
        f"{data['scale'][1]:g}, batch {optimiser['batch_size']}, {optimiser['epochs']} epochs{repeated}, learning rate "
        f"{optimiser['learning_rate']:g} (backbone {optimiser['backbone_learning_rate']:g}), validated {validated}"
    )


def typical_size(images: Sequence[Path]) -> tuple[int, int]:
    """Return the median height and width of images, of some that are spread over them.

    Raises:
        DataError: when none can be read.
    """
    sizes, failed = [], None
    for path in images[:: max(1, math.ceil(len(images) / _LOOKED_AT))]:
        try:
            sizes.append(read_size(path))
        except DataError as error:  # it is refused where it is trained on
            failed = error
    if not sizes:
        raise failed or DataError("there are no images to train on; at least one was expected")
    heights, widths = zip(*sizes, strict=True)
    return round(median(heights)), round(median(widths))


def fit_size(own_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the size that pictures are scored at: theirs or smaller, in the nearest multiples, of the largest area."""
    shrunk = min(1.0, math.sqrt(_LARGEST_AREA / math.prod(own_hw)))
    multiples, most = [side * shrunk / _MULTIPLE for side in own_hw], _LARGEST_AREA // _MULTIPLE**2
    sides = [max(2, math.floor(each + 0.5)) for each in multiples]
    if math.prod(sides) > most:
        sides = [max(2, math.floor(each)) for each in multiples]
    longest = most // min(sides)  # of a strip, whose shorter side would be below two multiples
    height, width = (min(side, longest) * _MULTIPLE for side in sides)
    return height, width


def _choose_batch(images: int, crop_hw: tuple[int, int], machine: Machine) -> int:
    a_crop = _GIB_A_CROP * math.prod(crop_hw) / _LARGEST_CROP_SIDE**2
    own = images / machine.processes
    fits = min(machine.memory_gib / 2 / a_crop, own / 2, _LARGEST_BATCH.get(machine.device, 16))
    return machine.processes * next((size for size in _BATCHES if size <= fits), _BATCHES[-1])


def _validate_every(epochs: int, images: int, validated: int) -> int:
    """Return so many epochs that scoring takes about a fifth of the time, and that a run is scored fifty times at most.

    An image that is scored costs about half of a crop that is trained on.
    """
    return min(epochs, max(1, math.ceil(validated / (2 * images) / 0.25), math.ceil(epochs / 50)))


def _processes(told: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", told, re.ASCII):
        raise ConfigError(
            f"the environment's WORLD_SIZE came as {told!r:.60}; a number of processes from 1 was expected; unset it, "
            "or start with torchrun, which sets it"
        )
    return int(told)


def _memory_gib() -> float:
    """Return this machine's memory; where the system does not say, as much as small ones have."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return 8.0
