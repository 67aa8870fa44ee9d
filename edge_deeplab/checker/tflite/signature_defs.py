"""The lint of SignatureDefs: the names under which a TFLite file's callers reach its inputs and outputs.

The interpreter goes by the graph's own lists and never looks at them. LiteRT's CompiledModel goes by them: each input
and output of the subgraph has one name, and each name is one of them. A file edited in only one of the two places runs
in every interpreter and in no current runtime.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.errors import require
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.source import read_bytes
from edge_deeplab.formats.tflite import ModelReader, reading_flatbuffer

CONSEQUENCE = "LiteRT's CompiledModel (Kotlin, Swift, Python and LiteRT.js) does not run the file by this signature"
_ENDS: Mapping[str, str] = {"Inputs": "input", "Outputs": "output"}
"""The two lists of a signature, as the schema names them, and what stands in them."""


@dataclass(frozen=True)
class SignatureFinding:
    """Something in a signature that is not so in its subgraph.

    Args:
        signature: its key; "" where it has none.
        subgraph: index of the subgraph that it names.
        problem: what is wrong, without a verb for the signature: "input 'image' is tensor 3 ...".
        consequence: what follows, one sentence.
    """

    signature: str
    subgraph: int
    problem: str
    consequence: str = CONSEQUENCE

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return asdict(self)


def lint_signatures(path: Path, size_hw: Size | None = None) -> tuple[SignatureFinding, ...]:
    """Return what of a TFLite file's signatures is not so in its subgraphs, in the file's order.

    Args:
        path: a `.tflite` file.
        size_hw: of a file that lists several sizes, the one whose signature is looked at; None: every one.

    Raises:
        ArtifactError: when it is not a TFLite flatbuffer, or does not list that size.
        MissingDependencyError: without ai-edge-litert.
    """
    schema = require("ai_edge_litert.schema_py_generated", package="ai-edge-litert", extra="tflite")
    content = read_bytes(path)
    with reading_flatbuffer(path):
        findings = _DefReader(schema, content, size_hw).findings(alone=size_hw is not None)
        return tuple(findings)


class _DefReader(ModelReader):
    """A reader of signatures and of what their subgraphs take and give."""

    def findings(self, *, alone: bool) -> Iterator[SignatureFinding]:
        for index in self._range(self._model.SignatureDefsLength()):
            signature = self._model.SignatureDefs(index)
            key, subgraph = self._text(signature.SignatureKey()), signature.SubgraphIndex()
            if alone and subgraph != self._place:
                continue
            for problem in self._problems(signature, key, subgraph):
                yield SignatureFinding(key, subgraph, problem)

    def _problems(self, signature: Any, key: str, subgraph: int) -> Iterator[str]:
        if not key:
            yield "it has no key"
        if subgraph >= self._model.SubgraphsLength():
            yield f"it is about subgraph {subgraph}, and the file has {self._model.SubgraphsLength()}"
            return
        graph = self._model.Subgraphs(subgraph)
        for field, end in _ENDS.items():
            named = [
                (self._text(entry.Name()), entry.TensorIndex())
                for entry in self._entries(signature, field)
            ]
            own = [int(i) for i in self._vector(graph, field)]
            yield from _compare(end, named, own)

    def _entries(self, signature: Any, field: str) -> list[Any]:
        length = getattr(signature, f"{field}Length")()
        return [getattr(signature, field)(i) for i in self._range(length)]


def _compare(end: str, named: Sequence[tuple[str, int]], own: Sequence[int]) -> Iterator[str]:
    """Yield what differs between a signature's names for one end and the subgraph's own list of tensors."""
    times = Counter(tensor for _, tensor in named)
    known = set(own)
    for name, tensor in named:
        if not name:
            yield f"the {end} that is tensor {tensor} has no name"
        if tensor not in known:
            yield f"{end} {name!r} is tensor {tensor}, which is no {end} of the graph"
    for tensor in dict.fromkeys(own):
        if times[tensor] != 1:
            yield f"the graph's {end}, tensor {tensor}, has {times[tensor]} names, not one"
