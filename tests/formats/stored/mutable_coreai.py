"""Core AI assets whose numbers are changed one at a time: each operation that states one gets a constant of its own.

In memory the constants of the listed program are changed; a saved file has them changed by coreai's own library.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.formats.coreai_program import CoreAIOperation, CoreAIProgram, read_program
from edge_deeplab.formats.stored.coreai import CoreAIReader
from tests.formats.stored.mutation import Changes, Kind, changed_one_by_one

_OPERANDS: dict[Kind, tuple[str, int]] = {
    "scale": ("scale", 1),
    "zero point": ("offset1", 2),
    "axis": ("axis", 4),
    "weight": ("input", 0),
    "bias": ("other", 1),
}
"""By kind, the operand's role and place."""


class MutableCoreAI:
    """A listed program, and what stands in place of one constant of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._program = read_program(path, numbers=True)
        self._own: tuple[int, int, np.ndarray[Any, Any]] | None = None

    def open(self) -> CoreAIReader:
        return CoreAIReader(self._changed())

    def save(self, folder: Path) -> Path:
        assets: Any = import_module("coreai.authoring.asset")
        program = assets.AIModelAsset.load(self._path).program
        if self._own is not None:
            _replace_operand(program, *self._own)
        asset = program.save_asset(folder / "changed.aimodel")
        text = (self._path / "metadata.json").read_text()
        (folder / "changed.aimodel" / "metadata.json").write_text(text)
        return Path(asset.path)

    def changes(self, *, weights: bool) -> Iterator[Changes]:
        for place, operation in enumerate(self._program.operations):
            if operation.type in ("quantize", "dequantize"):
                kinds: list[Kind] = ["scale", "zero point"]
                if dict(operation.reads)["input"] in self._program.numbers:
                    kinds += ["axis", "weight"] if weights else ["axis"]
                for kind in kinds:
                    yield self._changes(kind, place, operation)
            elif operation.label.endswith("conv2d") and operation.type == "broadcasting_add":
                yield self._changes("bias", place, operation)

    def _changes(self, kind: Kind, place: int, operation: CoreAIOperation) -> Changes:
        role, position = _OPERANDS[kind]
        kept = self._program.numbers[dict(operation.reads)[role]]

        def each() -> Iterator[None]:
            own = kept.copy()
            self._own = place, position, own
            yield from changed_one_by_one(own)
            self._own = None

        return Changes(kind, f"{operation.label} {kind}", each, self.open)

    def _changed(self) -> CoreAIProgram:
        """Return the program with the constant that one operation has of its own."""
        if self._own is None:
            return self._program
        place, position, own = self._own
        operations, values = list(self._program.operations), dict(self._program.values)
        reads = list(operations[place].reads)
        role, name = reads[position]
        values["own"] = replace(values[name], name="own")
        reads[position] = role, "own"
        operations[place] = replace(operations[place], reads=tuple(reads))
        return replace(
            self._program,
            operations=tuple(operations),
            values=values,
            numbers={**self._program.numbers, "own": own},
        )


def _replace_operand(
    program: Any, place: int, position: int, numbers: np.ndarray[Any, Any]
) -> None:
    """Let an operation of coreai's program read a constant of its own, constants not counted."""
    ir: Any = import_module("coreai._compiler.ir")
    dialect: Any = import_module("coreai._compiler.dialects.coreai")
    block = program._get_graph("main").bodyRegion.blocks[0]
    operations = [op for op in block.operations if op.operation.name != "coreai.constant"]
    operation = operations[place].operation
    with operation.context, ir.Location.unknown(), ir.InsertionPoint(operation):
        operation.operands[position] = dialect.constant(numbers)
