"""A file's quantized tensors, all read, and how much of what it states."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.formats.stored.tensor import Kind, Parameters, StoredTensor


@dataclass(frozen=True)
class StoredFile:
    """The quantized tensors of one file.

    Args:
        path: of the file.
        tensors: by name, as `edge_deeplab.formats.stored.names` has them.
    """

    path: Path
    tensors: Mapping[str, StoredTensor]

    def of_kind(self, kind: Kind) -> list[StoredTensor]:
        """Return its tensors of a kind."""
        return [tensor for tensor in self.tensors.values() if tensor.kind == kind]

    def stated(self) -> dict[str, Any]:
        """Return how many numbers it states, a scale that several places state once for each, as JSON values."""
        parameters = list(self._parameters())
        biases = self.of_kind("bias")
        return {
            "path": str(self.path),
            "activations": len(self.of_kind("activation")),
            "weights": len(self.of_kind("weight")),
            "weight_integers": sum(_count(t) for t in self.of_kind("weight")),
            "scales": sum(p.scale.size for p in parameters),
            "scale_type": _names({p.scale.dtype.name for p in parameters}),
            "zero_points": sum(p.zero_point.size for p in parameters if p.states_zero_point),
            "axes": sum(p.axis is not None for p in parameters),
            "biases": sum(t.values is not None for t in biases),
            "bias_numbers": sum(_count(t) for t in biases),
            "bias_type": _names({t.values.dtype.name for t in biases if t.values is not None}),
            "not_stored": self._not_stored(),
        }

    def _not_stored(self) -> list[str]:
        """Return in words what other files of the same tensors may state and this one does not."""
        biases = self.of_kind("bias")
        floats = [t.values.dtype.name for t in biases if t.values is not None and not t.readings]
        defaults = sum(p.zero_point.size for p in self._parameters() if not p.states_zero_point)
        absent = sum(t.values is None for t in biases)
        found = {
            f"integers and scales of {len(floats)} biases, which are {_names(set(floats))}": floats,
            f"{defaults} zero points, for which the format's default holds": defaults,
            f"{absent} biases, which are zeros": absent,
        }
        return [sentence for sentence, count in found.items() if count]

    def _parameters(self) -> Iterator[Parameters]:
        for tensor in self.tensors.values():
            yield from (reading.parameters for reading in tensor.readings)


def _count(tensor: StoredTensor) -> int:
    return 0 if tensor.values is None else int(tensor.values.size)


def _names(names: set[str]) -> str:
    return " and ".join(sorted(names))
