"""LiteRT's interpreter on a file of several sizes: one size runs by its signature, as an app would run it."""

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.sizes import Size
from edge_deeplab.formats.tflite import read_tflite
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor
from edge_deeplab.runtimes.interpreter import (
    Details,
    gives_scores,
    image_of,
    interpreter_name,
    open_interpreter,
    read_description,
    refusal,
    scores_behind,
    to_values,
)
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line, size_text


class SignatureEngine:
    """One size of a .tflite file in LiteRT's interpreter; see `edge_deeplab.runtimes.engine` for its methods.

    Args:
        path: a file that lists sizes (`edge_deeplab.formats.tflite_sizes`).
        size_hw: one of them.
        threads: number of CPU threads; None takes every CPU.
        delegate: give the interpreter its default delegate, XNNPACK; otherwise LiteRT's own kernels run everything.

    Raises:
        ArtifactError: when the file is damaged, or the interpreter does not take its subgraph of that size.
        MissingDependencyError: without ai-edge-litert and tflite-runtime.
    """

    def __init__(
        self,
        path: Path,
        size_hw: Sequence[int],
        threads: int | None = None,
        *,
        delegate: bool = True,
    ) -> None:
        self._path = path
        self._size_hw = (size_hw[0], size_hw[1])
        self._threads, self._delegate = threads or available_cpus(), delegate
        self.name = interpreter_name() + ("" if delegate else " without XNNPACK")
        # first, because LiteRT reads metadata without any bound
        self.description_text = read_description(path)
        self._runner = self._open()
        self.image, self._output = read_ends(self._runner, self._size_hw, path)
        self._prepare()

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the output."""
        return _run(self._runner, tensor)

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, kept from before the argmax where the output is the class map."""
        if gives_scores(self._output):
            return to_values(self.run(tensor), self._output)
        runner, index = self._score_runner
        _run(runner, tensor)
        place = runner._subgraph_index  # no public call tells it
        details = runner._interpreter.get_tensor_details(place)
        (scores,) = [each for each in details if each["index"] == index]
        return to_values(runner._interpreter.get_tensor(index, place), scores)

    def _open(self, *, delegate: bool | None = None, keep_all: bool = False) -> Any:
        """Return what runs the size's signature."""
        interpreter = open_interpreter(
            self._path,
            threads=self._threads,
            delegate=self._delegate if delegate is None else delegate,
            keep_all=keep_all,
        )
        return open_signature(interpreter, self._size_hw, self._path)

    def _prepare(self) -> None:
        """Run a black picture once, which plans the memory of this size and tells whether its kernels can."""
        error = self._error_of(self._runner)
        if error is not None:
            own = self._error_of(self._open(delegate=False)) if self._delegate else error
            raise refusal(self._path, self.name, error, own) from error

    def _error_of(self, runner: Any) -> Exception | None:
        try:
            _run(runner, np.zeros(self.image.shape, self.image.dtype))
        except (ValueError, RuntimeError) as error:
            return error
        return None

    @cached_property
    def _score_runner(self) -> tuple[Any, int]:
        """What runs the signature and keeps every tensor, and the index of the argmax's input.

        The interpreter lists the operators of a file's first subgraph alone, so they are read from the file.
        """
        listed = [
            {"op_name": each.type, "inputs": _indices(each.reads), "outputs": _indices(each.writes)}
            for each in read_tflite(self._path, self._size_hw).operators
        ]
        index = scores_behind(listed, self._output["index"], str(self._path))
        with warnings.catch_warnings():  # it warns of the memory that this is known to take
            warnings.simplefilter("ignore")
            return self._open(keep_all=True), index


def open_signature(interpreter: Any, size_hw: Size, path: Path) -> Any:
    """Return what runs the signature of one size.

    Args:
        interpreter: of the file.
        size_hw: height and width that name the signature.
        path: the file, for the error message.

    Raises:
        ArtifactError: when the file has no such signature.
    """
    try:
        return interpreter.get_signature_runner(size_text(size_hw))
    except ValueError as error:
        raise ArtifactError(
            f"{path} has no signature of the size {size_text(size_hw)} ({first_line(error)}); a size that it lists was "
            "expected; name one of them"
        ) from error


def read_ends(runner: Any, size_hw: Size, path: Path) -> tuple[ImageTensor, Details]:
    """Return the image input of a signature, and what the interpreter tells of its output.

    Args:
        runner: what runs the signature; it has one input and one output.
        size_hw: height and width of the picture.
        path: the file, for the error message.

    Raises:
        ArtifactError: when it takes no RGB picture.
    """
    (image,) = runner.get_input_details().values()
    (output,) = runner.get_output_details().values()
    return image_of(image, path).resized(size_hw), output


def _run(runner: Any, tensor: Tensor) -> Tensor:
    (name,) = runner.get_input_details()
    (output,) = runner(**{name: tensor}).values()
    result: Tensor = output
    return result


def _indices(numbers: Sequence[str]) -> list[int]:
    """Return tensors' indices; -1 for one that is left out."""
    return [int(number or -1) for number in numbers]
