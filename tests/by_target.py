"""What is made for each target, once it is asked for, in one of the suite's processes: a file takes seconds."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock

from edge_deeplab.targets import TARGETS

T = TypeVar("T")


class ByTarget(Mapping[str, T]):
    """Of every target what a function of its name makes.

    Args:
        make: called once a target.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = cache(make)

    def __getitem__(self, target: str) -> T:
        return self._make(target)

    def __iter__(self) -> Iterator[str]:
        return iter(TARGETS)

    def __len__(self) -> int:
        return len(TARGETS)


def shared_files(
    name: str, factory: pytest.TempPathFactory, write: Callable[[str, Path], Path]
) -> ByTarget[Path]:
    """Return files that all processes of a run of the suite share.

    Args:
        name: of the folder that they are in, which no others are given.
        factory: of temporary folders.
        write: writes a target's file into a folder and returns its path.
    """
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    folder.mkdir(exist_ok=True)

    def share(target: str) -> Path:
        place = folder / target
        with FileLock(folder / f"{target}.lock"):
            if not place.exists():
                partial = folder / f"{target}.partial"
                partial.mkdir()
                write(target, partial)
                partial.rename(place)
        (path,) = place.iterdir()
        return path

    return ByTarget(share)


def shared_exports(
    name: str, factory: pytest.TempPathFactory, write: Callable[[str, str, Any, Path], Path]
) -> Callable[[str, str, Any], Path]:
    """Return a function (target, precision, head) -> file, which all processes of a run of the suite share.

    Args:
        name: of the network, which no others are given.
        factory: of temporary folders.
        write: writes the file of (target, precision, head) into a folder and returns its path.
    """

    @cache
    def files(precision: str, head: Any) -> ByTarget[Path]:
        return shared_files(
            f"{name}-{precision}-{head}",
            factory,
            lambda target, folder: write(target, precision, head, folder),
        )

    return lambda target, precision, head: files(precision, head)[target]
