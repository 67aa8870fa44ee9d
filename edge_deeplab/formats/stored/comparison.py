"""Several files' statements of the same tensors, held against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_deeplab.formats.operator_names import module_of
from edge_deeplab.formats.stored.difference import (
    coarseness,
    parameter_difference,
    rounded_scales,
    value_difference,
)
from edge_deeplab.formats.stored.file import StoredFile
from edge_deeplab.formats.stored.names import SCORES, FreeNames
from edge_deeplab.formats.stored.tensor import StoredTensor


@dataclass(frozen=True)
class TensorComparison:
    """One tensor, as several files have it.

    Args:
        differences: one sentence for each file that contradicts itself or differs from the one that is most precise.
        rounded_scales: how many scales are equal only once rounded to a file's precision, over all files.
        rounded_biases: the same of biases.
        notes: what is stated without effect.
    """

    differences: tuple[str, ...] = ()
    rounded_scales: int = 0
    rounded_biases: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Several files held against each other.

    Args:
        files: what each holds.
        differences: one sentence for each tensor and file that differs, in the first file's order.
        rounded_scales: how many scales are equal only once rounded to a file's precision.
        rounded_biases: the same of biases.
        notes: what is stated without effect.
    """

    files: tuple[StoredFile, ...]
    differences: tuple[str, ...]
    rounded_scales: int
    rounded_biases: int
    notes: tuple[str, ...]

    @property
    def activations(self) -> int:
        """How many activations the first file stores."""
        return len(self.files[0].of_kind("activation"))

    @property
    def weights(self) -> int:
        """How many weights it stores."""
        return len(self.files[0].of_kind("weight"))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "files": [str(file.path) for file in self.files],
            "identical": not self.differences,
            "activations": self.activations,
            "weights": self.weights,
            "biases": len(self.files[0].of_kind("bias")),
            "rounded": {"scales": self.rounded_scales, "biases": self.rounded_biases},
            "differences": list(self.differences),
            "notes": list(self.notes),
            "stored": [file.stated() for file in self.files],
        }


def compare_files(files: Sequence[StoredFile]) -> Comparison:
    """Compare every tensor of several files."""
    files = _with_scores_alike(files)
    names = list(dict.fromkeys(name for file in files for name in file.tensors))
    labels = _labels(files)
    found = [
        compare_tensor(name, {label: file.tensors.get(name) for label, file in labels.items()})
        for name in names
    ]
    return Comparison(
        tuple(files),
        tuple(sentence for tensor in found for sentence in tensor.differences),
        sum(tensor.rounded_scales for tensor in found),
        sum(tensor.rounded_biases for tensor in found),
        tuple(note for tensor in found for note in tensor.notes),
    )


def _with_scores_alike(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Return files whose scores have one name.

    A file that gives the scores may name them as its output, one that gives the class map has them under the name of
    the operator that computes them. Where each file has one activation that not all have, a name is the output's, and
    the others are of no layer, they are those.
    """
    shared = set.intersection(*(set(file.tensors) for file in files))
    own = [
        [n for n, tensor in file.tensors.items() if n not in shared and tensor.kind == "activation"]
        for file in files
    ]
    if [SCORES] not in own or any(len(names) != 1 or module_of(names[0]) for names in own):
        return list(files)
    return [
        replace(file, tensors={SCORES if n == name else n: t for n, t in file.tensors.items()})
        for file, (name,) in zip(files, own, strict=True)
    ]


def compare_tensor(name: str, sides: Mapping[str, StoredTensor | None]) -> TensorComparison:
    """Compare what several files hold of one tensor.

    Args:
        name: of the tensor.
        sides: by the file's name, what it holds; None where it does not hold it.
    """
    stored = {label: tensor for label, tensor in sides.items() if tensor is not None}
    holder = next(iter(stored))
    differences = [
        f"{name}: {label} does not store it, {holder} does"
        for label in sides
        if label not in stored
    ]
    sound: dict[str, StoredTensor] = {}
    for label, tensor in stored.items():
        contradiction = _contradiction(tensor)
        if contradiction is None:
            sound[label] = tensor
        else:
            differences.append(f"{name} contradicts itself in {label}: {contradiction}")
    scales = biases = 0
    finest = min(sound, key=lambda label: coarseness(sound[label]), default=holder)
    for label in sound:
        if label != finest:
            sentence, rounded = _held_against(sound, finest, label)
            scales, biases = scales + rounded[0], biases + rounded[1]
            differences += [f"{name}: {sentence}"] if sentence else []
    notes = [f"{name} in {label}: {note}" for label, t in stored.items() for note in _idle_axes(t)]
    return TensorComparison(tuple(differences), scales, biases, tuple(notes))


def _held_against(
    sound: Mapping[str, StoredTensor], finest: str, label: str
) -> tuple[str | None, tuple[int, int]]:
    """Return what differs between two files' tensors, and how many scales and biases are equal only once rounded."""
    one, other = sound[finest], sound[label]
    if one.kind != other.kind:
        return f"{one.kind} in {finest}, {other.kind} in {label}", (0, 0)
    scales = 0
    if one.readings and other.readings:
        found = parameter_difference(one.parameters, other.parameters)
        if found is not None:
            return found.sentence(finest, label), (0, 0)
        scales = rounded_scales(one.parameters, other.parameters)
    found, biases = value_difference(one, other)
    return found.sentence(finest, label) if found else None, (scales, biases)


def _contradiction(tensor: StoredTensor) -> str | None:
    """Return how two places of one file state a tensor differently; None when all agree."""
    readings = [tensor.expected] if tensor.expected else []
    first, *others = (*readings, *tensor.readings) or (None,)
    for other in others:
        assert first is not None
        found = parameter_difference(first.parameters, other.parameters)
        if found is not None:
            return found.sentence(first.where, other.where)
    return None


def _idle_axes(tensor: StoredTensor) -> list[str]:
    """Return a sentence for each axis that is stated without effect."""
    return [
        f"{reading.where} states axis {reading.parameters.idle_axis} beside one scale, where it has no effect"
        for reading in tensor.readings
        if reading.parameters.idle_axis is not None
    ]


def _labels(files: Sequence[StoredFile]) -> dict[str, StoredFile]:
    """Return files by name, or by path where several have the same name."""
    names = [file.path.name for file in files]
    free = FreeNames()
    return {
        free.next(name if names.count(name) == 1 else str(file.path)): file
        for file, name in zip(files, names, strict=True)
    }
