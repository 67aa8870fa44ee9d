"""LiteRT (or its predecessor tflite-runtime) with XNNPACK, on the CPU. Loads no torch."""

import warnings
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, MissingDependencyError
from edge_deeplab.runtimes.inputs import ImageTensor, Quantization, Tensor, image_tensor, only_input
from edge_deeplab.runtimes.tflite_metadata import read_metadata
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line

INTERPRETERS: Mapping[str, str] = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Distributions that bring the interpreter, the preferred one first, and the module it is in."""

_PASSED_BY = ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION")
"""Operators between an argmax and the output that only change type or shape, or write ids again beside themselves."""


class TFLiteEngine:
    """A .tflite file in LiteRT's interpreter; XNNPACK is its default delegate.

    Args:
        path: the file.
        threads: number of CPU threads; None takes every CPU.

    Raises:
        ArtifactError: when the file is damaged or takes no RGB picture.
        MissingDependencyError: without ai-edge-litert and tflite-runtime.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        self._threads = threads or available_cpus()
        distribution, self._module = load_interpreter_module()
        self.name = f"{distribution} {version(distribution)}"
        # first, because LiteRT reads metadata without any bound
        self.description_text = self._description()
        self._interpreter = self._open()
        self.image = self._image_input()
        self._fit_input(self._interpreter)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        return self._run(self._interpreter, tensor, self._output["index"])

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, kept from before the argmax where the output is the class map."""
        interpreter, index = self._interpreter, self._output["index"]
        if not self._gives_scores():
            interpreter, index = self._score_interpreter
        stored = self._run(interpreter, tensor, index)
        (details,) = [d for d in interpreter.get_tensor_details() if d["index"] == index]
        quantization = _quantization(details)
        return stored if quantization is None else quantization.dequantize(stored)

    def _run(self, interpreter: Any, tensor: Tensor, output: int) -> Tensor:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        result: Tensor = interpreter.get_tensor(output)
        return result

    def _gives_scores(self) -> bool:
        """Whether the output is scores: floats, or integers that stand for floats, which class ids do not."""
        return (
            np.dtype(self._output["dtype"]).kind == "f" or _quantization(self._output) is not None
        )

    @property
    def _output(self) -> Mapping[str, Any]:
        details: Mapping[str, Any] = self._interpreter.get_output_details()[0]
        return details

    def _open(self, **options: Any) -> Any:
        try:
            return self._module.Interpreter(
                model_path=str(self._path), num_threads=self._threads, **options
            )
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(
                f"{self._path} cannot be read by {self.name} ({first_line(error)}); "
                "a complete .tflite file was expected; copy or export it again"
            ) from error

    def _fit_input(self, interpreter: Any) -> None:
        """Give the input its final size and plan the memory, in place."""
        details = interpreter.get_input_details()[0]
        try:
            if tuple(details["shape"]) != self.image.shape:
                interpreter.resize_tensor_input(details["index"], self.image.shape)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(
                f"{self._path} cannot be prepared by {self.name} ({first_line(error)}); operators that it executes "
                "were expected; convert the model again"
            ) from error

    def _image_input(self) -> ImageTensor:
        inputs = {each["name"]: each for each in self._interpreter.get_input_details()}
        image = inputs[only_input(list(inputs), path=str(self._path))]
        signature = image["shape_signature"] if len(image["shape_signature"]) else image["shape"]
        return image_tensor(
            image["name"],
            signature.tolist(),
            np.dtype(image["dtype"]).name,
            _quantization(image),
            path=str(self._path),
        )

    def _description(self) -> str | None:
        try:
            return read_metadata(self._path.read_bytes(), METADATA_KEY)
        except ValueError as error:
            raise ArtifactError(
                f"{self._path} cannot be read as a TFLite flatbuffer ({first_line(error)}); "
                "a complete .tflite file was expected; copy or export it again"
            ) from error

    @cached_property
    def _score_interpreter(self) -> tuple[Any, int]:
        """An interpreter that keeps every tensor, and the index of the argmax's input."""
        with warnings.catch_warnings():  # it warns of the memory that this is known to take
            warnings.simplefilter("ignore")
            interpreter = self._open(experimental_preserve_all_tensors=True)
        self._fit_input(interpreter)
        operators = interpreter._get_ops_details()  # no public call lists them
        return interpreter, _scores_behind(operators, self._output["index"], str(self._path))


def load_interpreter_module() -> tuple[str, Any]:
    """Return the distribution that brings the TFLite interpreter, and its module.

    Raises:
        MissingDependencyError: when none of `INTERPRETERS` is installed.
    """
    for distribution, module in INTERPRETERS.items():
        try:
            return distribution, import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in (module, module.split(".")[0]):
                raise  # it is installed, and something that it needs is not
    raise MissingDependencyError("ai-edge-litert", "tflite")


def _quantization(details: Mapping[str, Any]) -> Quantization | None:
    """Return the quantization of a whole tensor; None where there is none, or one per channel."""
    parameters = details["quantization_parameters"]
    if len(parameters["scales"]) != 1:
        return None
    return Quantization(float(parameters["scales"][0]), int(parameters["zero_points"][0]))


def _scores_behind(operators: list[dict[str, Any]], output: int, path: str) -> int:
    """Return the index of the tensor whose argmax an output is."""
    producers = {
        int(index): operator
        for operator in operators
        if operator["op_name"] != "DELEGATE"  # stands for operators that are listed themselves
        for index in operator["outputs"]
    }
    operator = producers.get(output)
    while operator is not None and operator["op_name"] in _PASSED_BY:
        operator = producers.get(int(operator["inputs"][0]))
    if operator is None or operator["op_name"] != "ARG_MAX":
        raise ArtifactError(
            f"{path} gives class ids that no ARG_MAX makes, so it has no scores to read; export it with --head logits"
        )
    return int(operator["inputs"][0])
