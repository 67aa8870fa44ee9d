"""LiteRT's interpreter (or its predecessor tflite-runtime), on the CPU, with or without XNNPACK. Loads no torch."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, MissingDependencyError
from edge_deeplab.formats.foreign_kinds import refuse_edge_tpu_file
from edge_deeplab.formats.tflite_metadata import read_metadata
from edge_deeplab.runtimes.inputs import (
    AffineQuantization,
    ImageTensor,
    Tensor,
    image_tensor,
    only_input,
)
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line

INTERPRETERS: Mapping[str, str] = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Distributions that bring the interpreter, the preferred one first, and the module it is in."""

Details = Mapping[str, Any]
"""What the interpreter tells of a tensor."""

_PASSED_BY = ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION")
"""Operators between an argmax and the output that only change type or shape, or write ids again beside themselves."""


class TFLiteEngine:
    """A .tflite file in LiteRT's interpreter.

    Args:
        path: the file.
        threads: number of CPU threads; None takes every CPU.
        delegate: give the interpreter its default delegate, XNNPACK; otherwise LiteRT's own kernels run everything.

    Raises:
        ArtifactError: when the file is damaged or takes no RGB picture.
        MissingDependencyError: without ai-edge-litert and tflite-runtime.
    """

    def __init__(self, path: Path, threads: int | None = None, *, delegate: bool = True) -> None:
        self._path = path
        self._threads, self._delegate = threads or available_cpus(), delegate
        self.name = interpreter_name() + ("" if delegate else " without XNNPACK")
        # first, because LiteRT reads metadata without any bound
        self.description_text = read_description(path)
        self._interpreter = self._open()
        self.image = read_image(self._interpreter, path)
        self._prepare(self._interpreter)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        return self._run(self._interpreter, tensor, self._output["index"])

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, kept from before the argmax where the output is the class map."""
        interpreter, index = self._interpreter, self._output["index"]
        if not gives_scores(self._output):
            interpreter, index = self._score_interpreter
        stored = self._run(interpreter, tensor, index)
        (details,) = [d for d in interpreter.get_tensor_details() if d["index"] == index]
        return to_values(stored, details)

    def _run(self, interpreter: Any, tensor: Tensor, output: int) -> Tensor:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        result: Tensor = interpreter.get_tensor(output)
        return result

    @property
    def _output(self) -> Details:
        details: Details = self._interpreter.get_output_details()[0]
        return details

    def _open(self, *, keep_all: bool = False) -> Any:
        return open_interpreter(
            self._path, threads=self._threads, delegate=self._delegate, keep_all=keep_all
        )

    def _prepare(self, interpreter: Any) -> None:
        """Give the input its final size and plan the memory, in place."""
        try:
            fit_input(interpreter, self.image)
        except (ValueError, RuntimeError) as error:
            own = self._error_without_delegate() if self._delegate else error
            raise refusal(self._path, self.name, error, own) from error

    def _error_without_delegate(self) -> Exception | None:
        """Return what LiteRT's own kernels say where they refuse the file; None where they take it."""
        try:
            fit_input(open_interpreter(self._path, delegate=False), self.image)
        except (ArtifactError, ValueError, RuntimeError) as error:
            return error
        return None

    @cached_property
    def _score_interpreter(self) -> tuple[Any, int]:
        """An interpreter that keeps every tensor, and the index of the argmax's input."""
        with warnings.catch_warnings():  # it warns of the memory that this is known to take
            warnings.simplefilter("ignore")
            interpreter = self._open(keep_all=True)
        self._prepare(interpreter)
        operators = interpreter._get_ops_details()  # no public call lists them
        return interpreter, scores_behind(operators, self._output["index"], str(self._path))


def refusal(path: Path, runtime: str, error: Exception, own: Exception | None) -> ArtifactError:
    """Return the error that says whether the delegate alone refuses a file, or LiteRT's own kernels do.

    Args:
        path: the file.
        runtime: name and version.
        error: what was said when memory was planned.
        own: what LiteRT's own kernels say, the same where there is no delegate; None where they take the file.
    """
    if own is None:
        return ArtifactError(
            f"{path} is refused by XNNPACK, the default delegate of {runtime} ({first_line(error)}), while "
            "its own kernels take the file; operators that both take were expected; convert the model again, or "
            "run it without the delegate, in the runtime interpreter-builtin"
        )
    return ArtifactError(
        f"{path} cannot be prepared by LiteRT's own kernels in {runtime} ({first_line(own)}); operators "
        "that they execute were expected; convert the model again"
    )


def open_interpreter(
    path: Path, *, threads: int = 1, delegate: bool = True, keep_all: bool = False
) -> Any:
    """Return an interpreter of a file, before memory is planned and its delegate applied.

    Args:
        path: the file.
        threads: number of CPU threads.
        delegate: give it its default delegate, XNNPACK.
        keep_all: keep every tensor, so that it can be read after a run.

    Raises:
        ArtifactError: when the file is damaged, or LiteRT has no kernel of one of its operators.
        MissingDependencyError: without ai-edge-litert and tflite-runtime.
    """
    _, module = load_interpreter_module()
    refuse_edge_tpu_file(path, path.read_bytes())
    kernels = module.OpResolverType
    try:
        return module.Interpreter(
            model_path=str(path),
            num_threads=threads,
            experimental_preserve_all_tensors=keep_all,
            experimental_op_resolver_type=(
                kernels.AUTO if delegate else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        )
    except (ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"{path} cannot be read by {interpreter_name()} ({first_line(error)}); a complete .tflite file of "
            "operators that it has kernels for was expected; copy or export it again"
        ) from error


def read_description(path: Path) -> str | None:
    """Return the self-description that a file carries; None where it has none.

    Raises:
        ArtifactError: when its metadata cannot be read.
    """
    try:
        return read_metadata(path.read_bytes(), METADATA_KEY)
    except ValueError as error:
        raise ArtifactError(
            f"{path} carries metadata that cannot be read ({first_line(error)}); a sound flatbuffer with text in UTF-8 "
            "was expected; copy or export it again"
        ) from error


def interpreter_name() -> str:
    """Return the distribution that brings the TFLite interpreter, and its version."""
    distribution, _ = load_interpreter_module()
    return f"{distribution} {version(distribution)}"


def read_image(interpreter: Any, path: Path) -> ImageTensor:
    """Return the image input of an opened file.

    Raises:
        ArtifactError: when it has several inputs, or takes no RGB picture.
    """
    inputs = {each["name"]: each for each in interpreter.get_input_details()}
    return image_of(inputs[only_input(list(inputs), path=str(path))], path)


def image_of(image: Details, path: Path) -> ImageTensor:
    """Return the image input that a tensor is.

    Args:
        image: what the interpreter tells of it.
        path: the file, for the error message.

    Raises:
        ArtifactError: when it is no RGB picture.
    """
    signature = image["shape_signature"] if len(image["shape_signature"]) else image["shape"]
    return image_tensor(
        image["name"],
        signature.tolist(),
        np.dtype(image["dtype"]).name,
        _quantization(image),
        path=str(path),
    )


def fit_input(interpreter: Any, image: ImageTensor) -> None:
    """Give the input its final size and plan the memory, in place; raises what the interpreter raises."""
    details = interpreter.get_input_details()[0]
    if tuple(details["shape"]) != image.shape:
        interpreter.resize_tensor_input(details["index"], image.shape)
    interpreter.allocate_tensors()


def gives_scores(output: Details) -> bool:
    """Whether an output is scores: floats, or integers that stand for floats, which class ids do not."""
    return np.dtype(output["dtype"]).kind == "f" or _quantization(output) is not None


def to_values(stored: Tensor, details: Details) -> Tensor:
    """Return what a tensor's content stands for: floats for quantized integers, everything else as it is."""
    quantization = _quantization(details)
    return stored if quantization is None else quantization.dequantize(stored)


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


def _quantization(details: Details) -> AffineQuantization | None:
    """Return the quantization of a whole tensor; None where there is none, or one per channel."""
    parameters = details["quantization_parameters"]
    if len(parameters["scales"]) != 1:
        return None
    return AffineQuantization(float(parameters["scales"][0]), int(parameters["zero_points"][0]))


def scores_behind(operators: Sequence[Mapping[str, Any]], output: int, path: str) -> int:
    """Return the index of the tensor whose argmax an output is.

    Args:
        operators: as the interpreter lists them, each with "op_name", "inputs" and "outputs".
        output: index of the output's tensor.
        path: the file, for the error message.

    Raises:
        ArtifactError: when no argmax makes it.
    """
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
            f"{path} gives class ids that no ARG_MAX makes, so it has no scores to read; export it with head logits"
        )
    return int(operator["inputs"][0])
