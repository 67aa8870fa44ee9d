"""ONNX Runtime, on the CPU. Loads no torch, and onnx itself only to tap the scores of a class-map file."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.runtimes.engine import EngineFactory
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor, image_tensor, only_input
from edge_deeplab.runtimes.onnx_session import open_session, runtime_name
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line

_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
}
_PASSED_BY = ("Cast", "Squeeze", "Unsqueeze", "Reshape", "Identity", "Flatten", "Concat")
"""Operators between an argmax and the output that only change type or shape, or write ids again beside themselves."""


class OnnxEngine:
    """An .onnx file in ONNX Runtime.

    Args:
        path: the file.
        threads: number of CPU threads; None takes every CPU.

    Raises:
        ArtifactError: when the file is damaged or takes no RGB picture.
        MissingDependencyError: without onnxruntime.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        require("onnxruntime", package="onnxruntime", extra="onnx")  # else the file would be blamed
        self._threads = threads or available_cpus()
        self._session = self._open(str(path))
        self.name = runtime_name(self._session)
        self.image = self._image_input()
        self.description_text = self._read_description()

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        return self._run(self._session, tensor)

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, tapped before the argmax where the output is the class map."""
        if "int" not in self._session.get_outputs()[0].type:
            return self.run(tensor)
        return self._run(self._score_session, tensor)

    def _run(self, session: Any, tensor: Tensor) -> Tensor:
        output: Tensor = session.run([session.get_outputs()[0].name], {self.image.name: tensor})[0]
        return output

    def _open(self, model: str | bytes) -> Any:
        try:
            return open_session(model, self._threads)
        except Exception as error:  # onnxruntime raises one class per status code
            raise ArtifactError(
                f"{self._path} cannot be read by ONNX Runtime ({first_line(error)}); "
                "a complete .onnx file was expected; copy or export it again"
            ) from error

    def _read_description(self) -> str | None:
        try:
            text: str | None = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        except UnicodeDecodeError as error:
            raise ArtifactError(
                f"{self._path} carries metadata that is no text ({error}); UTF-8 was expected; export it again"
            ) from error
        return text

    def _image_input(self) -> ImageTensor:
        inputs = {each.name: each for each in self._session.get_inputs()}
        image = inputs[only_input(list(inputs), path=str(self._path))]
        dtype = _DTYPES.get(image.type, image.type)
        return image_tensor(image.name, image.shape, dtype, path=str(self._path))

    @cached_property
    def _score_session(self) -> Any:
        """The same model with the argmax's input as its only output, made in memory."""
        onnx: Any = require("onnx", package="onnx", extra="onnx")
        model = onnx.load(str(self._path))
        scores = _scores_behind(model.graph, str(self._path))
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=scores))
        return self._open(model.SerializeToString())


def _scores_behind(graph: Any, path: str) -> str:
    """Return the name of the value whose argmax the graph's first output is."""
    producers = {name: node for node in graph.node for name in node.output}
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSED_BY:
        node = producers.get(node.input[0])
    if node is None or node.op_type != "ArgMax":
        raise ArtifactError(
            f"{path} gives class ids that no ArgMax makes ({node.op_type if node is not None else 'an input'} does), "
            "so it has no scores to read; export it with head logits"
        )
    scores: str = node.input[0]
    return scores


def _onnxruntime() -> EngineFactory:
    require("onnxruntime", package="onnxruntime", extra="onnx")
    return OnnxEngine


ENGINES: Mapping[str, Callable[[], EngineFactory]] = {"onnxruntime": _onnxruntime}
"""By the runtime's name; the function imports what the engine needs and returns what makes one."""
