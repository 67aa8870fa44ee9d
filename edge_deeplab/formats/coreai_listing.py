"""What a Core AI asset holds, listed by Apple's own parser.

The parser is native code, and the bytecode may be anybody's: it runs in a bounded child, which answers with names,
types and settings, and with the numbers of constants where they are asked for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.errors import require
from edge_deeplab.formats.coreai_asset import EXPECTED
from edge_deeplab.formats.source import (
    ENTRY_BYTES,
    LONGEST_SETTING,
    RECORD_BYTES,
    ReadingBudget,
    unreadable,
)
from edge_deeplab.formats.stored.names import FreeNames
from edge_deeplab.formats.stored.reader import numbers_budget
from edge_deeplab.formats.stored.tensor import Array

MAIN = "main"
_GRAPH, _CONSTANT, _OUTPUT = "coreai.graph", "coreai.constant", "coreai.output"
_DIALECT = re.compile(r"^(?:coreai\.)?(?:decomposable\.)?")
_TYPES = {
    "i1": ("bool", "?"),
    "si8": ("int8", "<i1"),
    "ui8": ("uint8", "<u1"),
    "si16": ("int16", "<i2"),
    "ui16": ("uint16", "<u2"),
    "si32": ("int32", "<i4"),
    "ui32": ("uint32", "<u4"),
    "si64": ("int64", "<i8"),
    "f16": ("float16", "<f2"),
    "f32": ("float32", "<f4"),
}
"""NumPy's name and form of an element type by the dialect's; others keep the dialect's name."""
_CALLED = re.compile(r'"call_stack": \["([^"]{1,1000})"\]')
_TRACED = re.compile(r'identifiers = \["([^"]{1,1000})"')
_NUMBERED = re.compile(r"\$\d+$")
_GIVES = '"output_maps"'
"""Where locations say which layer an operator is of, which traced one, and that it gives what that one gives."""
_BLOB = re.compile(r'^\s*([\w.]+): "0x([0-9A-Fa-f]*)"', re.MULTILINE)
_REFERENCE = re.compile(r"dense_resource<([^>]+)>")
_NAMED = re.compile(r'coreai\.name = "([^"]+)"')
_WORD = re.compile(r"<(\w+)>$")
_ALIGNMENT_BYTES = 4


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what the bounded child answers."""
    require("coreai.authoring.asset", package="coreai-core", extra="coreai")
    return {"read": _read}


def _read(path: str, *, size: int, ours: bool, numbers: bool) -> Mapping[str, Any]:
    """Return a program as plain values; runs in the child.

    Raises:
        ArtifactError: when the parser refuses the program.
    """
    place = Path(path)
    assets: Any = require("coreai.authoring.asset", package="coreai-core", extra="coreai")
    try:
        program = assets.AIModelAsset.load(place).program  # its operations live as long as it does
        return Listing(program, size, ours=ours).answer(numbers=numbers)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise unreadable(place, EXPECTED, str(error)) from error


class Listing:
    """A parsed program on its way into plain values.

    Args:
        program: coreai's.
        size: bytes of the asset's program, which bound what is listed.
        ours: whether its layers' names are canonical ones.
    """

    def __init__(self, program: Any, size: int, *, ours: bool) -> None:
        self._module = program._module._mlir_module
        self._ours = ours
        self._budget, self._numbers_left = ReadingBudget.for_file(size), numbers_budget(size)
        self._names: dict[Any, str] = {}
        self._free_names = FreeNames()
        self._values: list[dict[str, Any]] = []
        self._operations: list[dict[str, Any]] = []
        self._constants: dict[str, Any] = {}
        self._outputs: list[str] = []

    @property
    def values(self) -> Mapping[str, Any]:
        """The program's own values by name."""
        return {name: value for value, name in self._names.items()}

    def answer(self, *, numbers: bool) -> Mapping[str, Any]:
        """Return the listing."""
        graphs = [op for op in self._module.body.operations if op.operation.name == _GRAPH]
        named = {graph.sym_name.value: graph for graph in graphs}
        if not named:
            raise ValueError("it has no function")
        function = MAIN if MAIN in named else next(iter(named))
        graph = named[function]
        block = graph.bodyRegion.blocks[0]
        told = [list(each.attr) for each in graph.operation.attributes if each.name == "arg_attrs"]
        asked = [_NAMED.search(str(each)) for each in (told or [[]])[0]]
        for place, argument in enumerate(block.arguments):
            found = asked[place] if place < len(asked) else None
            self._note(argument, found[1] if found else f"input {place}")
        inputs = [self._names[argument] for argument in block.arguments]
        self._list(block)
        arrays = self._arrays() if numbers else {}
        return {
            "function": function,
            "others": [name for name in named if name != function],
            "values": self._values,
            "operations": self._operations,
            "inputs": inputs,
            "outputs": self._outputs,
            "constants": list(arrays),
            **{f"constant {place}": array for place, array in enumerate(arrays.values())},
        }

    def _list(self, block: Any) -> None:
        """List a block's operations, each followed by those of its own blocks (branches, loop bodies)."""
        for op in block.operations:
            self._budget.spend(1, RECORD_BYTES)
            self._budget.spend(len(op.operands) + len(op.results), ENTRY_BYTES)
            kind = op.operation.name
            if kind == _CONSTANT:
                self._note_constant(op)
            elif kind == _OUTPUT:
                self._outputs = [self._names[operand] for operand in op.operands]
            else:
                self._note_operation(op, kind)
            for region in op.regions:
                for inner in region.blocks:
                    self._budget.spend(len(inner.arguments), ENTRY_BYTES)
                    for argument in inner.arguments:
                        self._note(argument, "argument")
                    self._list(inner)

    def _note_operation(self, op: Any, kind: str) -> None:
        label, gives = self._label(op)
        short = _DIALECT.sub("", kind)
        called = label if label and gives else f"{label}/{short}" if label else short
        reads = [[role, self._names.get(operand, "")] for role, operand in _roles(op)]
        writes = [self._note(result, called) for result in op.results]
        self._operations.append(
            {
                "type": short,
                "label": label,
                "gives": gives,
                "reads": reads,
                "writes": writes,
                "settings": _settings(op),
            }
        )

    def _note_constant(self, op: Any) -> None:
        value = op.attributes["value"]
        (result,) = op.results
        name = self._note(result, "constant", constant=True)
        self._constants[name] = value
        told = self._values[-1]
        if told["shape"] is None or None in told["shape"] or prod(told["shape"]) > LONGEST_SETTING:
            return
        if told["dtype"] in dict(_TYPES.values()) and not _is_blob(value):
            told["few"] = np.array(value).reshape(-1).tolist()

    def _note(self, value: Any, wanted: str, *, constant: bool = False) -> str:
        """Give a value a name of its own and list it."""
        name = self._names[value] = self._free_names.next(wanted)
        dtype, shape = _type(value.type)
        self._values.append(
            {"name": name, "dtype": dtype, "shape": shape, "constant": constant, "few": None}
        )
        return name

    def _label(self, op: Any) -> tuple[str, bool]:
        """Return what an operation was made for, and whether it gives that one's result."""
        told = str(op.location)
        found = (_CALLED if self._ours else _TRACED).search(told)
        return (_NUMBERED.sub("", found[1]) if found else "", _GIVES in told)

    def _arrays(self) -> Mapping[str, Array]:
        """Return the numbers of all constants of types that NumPy has."""
        blobs = dict(_BLOB.findall(self._module.operation.get_asm(large_elements_limit=None)))
        forms = dict(_TYPES.values())
        arrays = {}
        for told in self._values:
            form, shape = forms.get(told["dtype"]), told["shape"]
            if not told["constant"] or form is None or shape is None:
                continue
            self._numbers_left.spend(prod(shape) * np.dtype(form).itemsize)
            arrays[told["name"]] = _array(self._constants[told["name"]], blobs, form, shape)
        return arrays


def _array(value: Any, blobs: Mapping[str, str], form: str, shape: Sequence[int]) -> Array:
    """Return a constant's numbers, whether they stand in the program or in a blob behind it."""
    if not _is_blob(value):
        return np.array(value).astype(form).reshape(shape)
    (name,) = _REFERENCE.findall(str(value))
    content = bytes.fromhex(blobs[name])[_ALIGNMENT_BYTES:]
    return np.frombuffer(content, form).reshape(shape)


def _is_blob(value: Any) -> bool:
    """Whether a constant's numbers stand behind the program, not in it."""
    ir: Any = import_module("coreai._compiler.ir")
    return bool(ir.DenseResourceElementsAttr.isinstance(value))


def _type(told: Any) -> tuple[str | None, list[int | None] | None]:
    """Return NumPy's name of a value's element type, and its shape; None of what is no tensor with a rank."""
    if not hasattr(told, "element_type") or not getattr(told, "has_rank", False):
        return None, None
    element = str(told.element_type)
    shape = [
        None if told.is_dynamic_dim(axis) else told.get_dim_size(axis) for axis in range(told.rank)
    ]
    return _TYPES.get(element, (element, ""))[0], shape


def _roles(op: Any) -> Iterator[tuple[str, Any]]:
    """Yield each operand with its name in the dialect, as far as the operation's class tells."""
    ir: Any = import_module("coreai._compiler.ir")
    view = op.opview if hasattr(op, "opview") else op
    operands = list(op.operands)
    names = dict.fromkeys(range(-1, len(operands)), "")  # -1: of what is no operand
    for name, told in vars(type(view)).items():
        if isinstance(told, property):
            value = getattr(view, name, None)
            free = (i for i, each in enumerate(operands) if not names[i])
            same = (i for i in free if isinstance(value, ir.Value) and operands[i] == value)
            names[next(same, -1)] = name
    for place, operand in enumerate(operands):
        yield names[place] or f"input {place}", operand


def _settings(op: Any) -> dict[str, Any]:
    """Return the short attributes of an operation."""
    settings: dict[str, Any] = {}
    for each in op.attributes:
        told = str(each.attr)
        word = _WORD.search(told)
        if word or len(told) <= LONGEST_SETTING:
            settings[each.name] = word[1] if word else told.strip('"')
    return settings
