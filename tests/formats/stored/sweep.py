"""Changes every number of one of several files and asks whether the comparison of all finds it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_deeplab.formats.stored.comparison import TensorComparison, compare_tensor
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.formats.stored.reader import StoredReader
from edge_deeplab.formats.stored.tensor import StoredTensor
from tests.formats.stored.mutable_coreai import MutableCoreAI
from tests.formats.stored.mutable_coreml import MutableCoreML
from tests.formats.stored.mutable_executorch import MutableExecuTorch
from tests.formats.stored.mutable_onnx import MutableOnnx
from tests.formats.stored.mutable_tflite import MutableTFLite
from tests.formats.stored.mutation import Kind, MutableFile

MUTABLE: Mapping[str, Callable[[Path], MutableFile]] = {
    "onnx": MutableOnnx,
    "tflite": MutableTFLite,
    "coreml": MutableCoreML,
    "executorch": MutableExecuTorch,
    "coreai": MutableCoreAI,
}
_EVERY = 997
"""Of so many changes one is also written to disk and read back through the public function."""


@dataclass
class Tally:
    """What a sweep saw, by kind of number.

    Args:
        made: changes made.
        found: changes that the comparison of all files names.
        found_in_pair: by the other format, those that the comparison with that one file alone names.
        missed: places of changes that it does not name.
        saved: changes that were also read back from disk.
    """

    made: Counter[Kind] = field(default_factory=Counter)
    found: Counter[Kind] = field(default_factory=Counter)
    found_in_pair: dict[str, Counter[Kind]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    saved: int = 0


def sweep(
    paths: Mapping[str, Path],
    stored: Mapping[str, StoredFile],
    changed: str,
    folder: Path,
    *,
    weights: bool,
) -> Tally:
    """Change each number of the file of one format.

    Args:
        paths: the files, by format.
        stored: what they hold.
        changed: the format of the file that is changed.
        folder: where changed files may be written.
        weights: whether integers of weights are changed as well.
    """
    file: MutableFile = MUTABLE[changed](paths[changed])
    others = {target: held for target, held in stored.items() if target != changed}
    tally = Tally(found_in_pair={target: Counter() for target in others})
    label = f"changed{paths[changed].suffix}"
    for kind, place, tensors in _changed_tensors(file, stored[changed], weights=weights):
        tally.made[kind] += 1
        comparisons = [
            _held_against(name, label, tensor, others) for name, tensor in tensors.items()
        ]
        if _is_found(kind, comparisons):
            tally.found[kind] += 1
        else:
            tally.missed.append(place)
        for target, other in others.items():
            pair = [_held_against(n, label, t, {target: other}) for n, t in tensors.items()]
            tally.found_in_pair[target][kind] += _is_found(kind, pair)
        if sum(tally.made.values()) % _EVERY == 1:
            tally.saved += 1
            saved = compare_stored([file.save(folder), *(other.path for other in others.values())])
            assert set(saved.differences) == {d for c in comparisons for d in c.differences}, place
            assert set(saved.notes) == {note for c in comparisons for note in c.notes}, place
    return tally


def _changed_tensors(
    file: MutableFile, unchanged: StoredFile, *, weights: bool
) -> Iterator[tuple[Kind, str, dict[str, StoredTensor | None]]]:
    """Yield for each change the tensors that it touches.

    The first change of a place is looked for in every tensor; the others of that place touch the same ones, or the
    weight or bias beside them.
    """
    for changes in file.changes(weights=weights):
        reader: StoredReader | None = None
        touched: list[str] = []
        for number, _ in enumerate(changes.each()):
            if reader is None:
                reader = changes.open()
                touched = _touched(reader, unchanged)
            tensors = {name: _read(reader, name) for name in touched}
            yield changes.kind, f"{changes.place} [{number}]", tensors


def _touched(reader: StoredReader, unchanged: StoredFile) -> list[str]:
    """Return the names of the tensors that are read otherwise than before, and of the weights and biases beside them.

    A bias contradicts its weight's scale only where the product of scales changes by more than rounding does.
    """
    names = list(dict.fromkeys((*unchanged.tensors, *reader.names)))
    changed = [n for n in names if _numbers(_read(reader, n)) != _numbers(unchanged.tensors.get(n))]
    beside = {
        f"{name.rpartition('_')[0]}_{role}" for name in changed for role in ("weight", "bias")
    }
    return [name for name in names if name in changed or name in beside]


def _read(reader: StoredReader, name: str) -> StoredTensor | None:
    return reader.tensor(name) if name in reader.names else None


def _numbers(tensor: StoredTensor | None) -> object:
    """Return all that a tensor holds, for comparing two."""
    if tensor is None:
        return None
    readings = (*tensor.readings, *([tensor.expected] if tensor.expected else []))
    parameters = [
        (p.scale.tobytes(), p.zero_point.tobytes(), p.bits, p.axis, p.idle_axis)
        for p in (reading.parameters for reading in readings)
    ]
    return parameters, None if tensor.values is None else tensor.values.tobytes()


def _held_against(
    name: str, label: str, tensor: StoredTensor | None, others: Mapping[str, StoredFile]
) -> TensorComparison:
    sides = {label: tensor} | {o.path.name: o.tensors.get(name) for o in others.values()}
    return compare_tensor(name, sides)


def _is_found(kind: Kind, comparisons: list[TensorComparison]) -> bool:
    if kind == "idle axis":
        return any(c.notes for c in comparisons)
    return any(c.differences for c in comparisons)
