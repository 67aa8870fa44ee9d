"""The program of a Core AI asset as plain values, as Apple's own parser reads it in a process of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.child.bounded import ask_once
from edge_deeplab.child.limits import Limits
from edge_deeplab.errors import ChildError
from edge_deeplab.formats import coreai_listing
from edge_deeplab.formats.coreai_asset import read_asset
from edge_deeplab.formats.stored.tensor import Array


@dataclass(frozen=True)
class CoreAIValue:
    """What an operation reads or gives.

    Args:
        name: unique in the program.
        dtype: NumPy's name of its element type; the dialect's of others; None of what is no tensor.
        shape: None in a place that is open; None of what is no tensor.
        constant: it stands in the file.
        few: a constant's numbers, where they are few.
    """

    name: str
    dtype: str | None
    shape: tuple[int | None, ...] | None
    constant: bool = False
    few: tuple[int | float | bool, ...] | None = None


@dataclass(frozen=True)
class CoreAIOperation:
    """One operation, constants left out.

    Args:
        type: without its dialect's name where that is Core AI's.
        label: of the layer's operation that it was made for, "" where the file does not tell.
        gives: whether it gives that operation's result; the others of the same label lead to it.
        reads: names of values by the operand's role, in order.
        writes: names of values.
        settings: short ones.
    """

    type: str
    label: str
    gives: bool
    reads: tuple[tuple[str, str], ...]
    writes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CoreAIProgram:
    """One function of an asset.

    Args:
        function: its name.
        others: names of the asset's other functions.
        values: by name.
        operations: in order.
        inputs: names of values.
        outputs: names of values.
        numbers: of constants by the value's name, where they were asked for.
        ours: whether this project made the asset, so that the layers' names in it are canonical ones.
        version: of the asset's form.
    """

    function: str
    others: tuple[str, ...]
    values: Mapping[str, CoreAIValue]
    operations: tuple[CoreAIOperation, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, Array]
    ours: bool
    version: int


def read_program(path: Path, *, numbers: bool = False) -> CoreAIProgram:
    """Return the function of an asset that runs, "main" or else its first.

    Args:
        path: the `.aimodel` folder.
        numbers: whether the constants' numbers are wanted.

    Raises:
        ArtifactError: when it is no asset; ChildError when Apple's parser is harmed by it.
        MissingDependencyError: without coreai-core.
    """
    asset = read_asset(path)
    ours = asset.description_text is not None
    answer = ask_once(
        coreai_listing.__name__,
        "read",
        subject=str(path),
        limits=Limits.for_file(asset.size),
        path=str(path.absolute()),
        size=asset.size,
        ours=ours,
        numbers=numbers,
    )
    try:
        arrays = {key: value for key, value in answer.items() if isinstance(value, np.ndarray)}
        return CoreAIProgram(
            function=str(answer["function"]),
            others=tuple(map(str, answer["others"])),
            values={told["name"]: _value(told) for told in answer["values"]},
            operations=tuple(_operation(told) for told in answer["operations"]),
            inputs=tuple(map(str, answer["inputs"])),
            outputs=tuple(map(str, answer["outputs"])),
            numbers={
                str(name): arrays[f"constant {place}"]
                for place, name in enumerate(answer["constants"])
            },
            ours=ours,
            version=asset.version,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ChildError(str(path), f"it described the file badly: {error!r}") from error


def native_values(program: Any, path: Path) -> Mapping[str, Any]:
    """Return the values of this project's program by the names that `read_program` gives them.

    Args:
        program: coreai's, parsed in this process; what is returned lives as long as it does.
        path: the asset that it is of.
    """
    listing = coreai_listing.Listing(program, read_asset(path).size, ours=True)
    listing.answer(numbers=False)
    return listing.values


def _value(told: Mapping[str, Any]) -> CoreAIValue:
    shape, few = told["shape"], told["few"]
    return CoreAIValue(
        name=str(told["name"]),
        dtype=told["dtype"],
        shape=None if shape is None else tuple(shape),
        constant=bool(told["constant"]),
        few=None if few is None else tuple(few),
    )


def _operation(told: Mapping[str, Any]) -> CoreAIOperation:
    return CoreAIOperation(
        type=str(told["type"]),
        label=str(told["label"]),
        gives=bool(told["gives"]),
        reads=tuple((str(role), str(name)) for role, name in told["reads"]),
        writes=tuple(map(str, told["writes"])),
        settings=dict(told["settings"]),
    )
