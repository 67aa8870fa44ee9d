"""A saved Core ML package in the MIL reference evaluator, as an `Engine`."""

from pathlib import Path
from typing import Any

import torch

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.coreml_sizes import picture_shape
from edge_deeplab.runtimes.base import REFERENCE_EVALUATOR
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor, image_tensor, only_input
from edge_deeplab.runtimes.mil.evaluator import Evaluator
from edge_deeplab.runtimes.mil.program import Program, Reference
from edge_deeplab.runtimes.mil.reader import Package, read_package
from edge_deeplab.runtimes.threads import running_torch

_PASSED_BY = ("cast", "squeeze", "expand_dims", "reshape", "identity", "concat")
"""Operators between an argmax and the output that only change type or shape, or write ids again beside themselves."""
_NUMPY_NAMES = {"fp16": "float16", "fp32": "float32"}


class MILEngine:
    """An .mlpackage in the reference evaluator.

    Args:
        path: the package.
        threads: number of CPU threads; None leaves torch's setting.

    Raises:
        ArtifactError: when the package is damaged, no ML program or takes no RGB picture.
        MissingDependencyError: without coremltools.
        UnsupportedOperatorError: naming every operator that the evaluator does not know.
    """

    name = REFERENCE_EVALUATOR

    def __init__(self, path: Path, threads: int | None = None) -> None:
        package = read_package(path)
        self._path = path
        self._threads = threads
        self._colour_order = package.colour_order
        self._evaluator = Evaluator(package.program)
        self.image = _image_input(package, path)
        self.description_text = package.metadata.get(METADATA_KEY)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the program's first output."""
        return self.run_until(self._evaluator.program.outputs[0], tensor)

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, tapped before the argmax where the output is the class map."""
        return self.run_until(_scores_behind(self._evaluator.program, str(self._path)), tensor)

    def run_until(self, value: str, tensor: Tensor) -> Tensor:
        """Map the input tensor to any value of the program, by name.

        Raises:
            KeyError: for a name that is no value of the program.
        """
        pixels = torch.from_numpy(tensor).float()
        if self._colour_order == "BGR":
            pixels = pixels.flip(1)
        with running_torch(self._threads):
            result = self._evaluator.evaluate({self.image.name: pixels}, [value])[value]
        output: Tensor = result.numpy()
        return output


def _image_input(package: Package, path: Path) -> ImageTensor:
    inputs = {value.name: value for value in package.program.inputs}
    image = inputs[only_input(list(inputs), path=str(path))]
    dtype = _NUMPY_NAMES.get(image.dtype, image.dtype)
    if package.colour_order is not None:
        dtype = "uint8"  # Core ML hands a picture over as raw 0..255 planes
    shape = image.shape
    if package.size_hw is not None:
        shape = picture_shape(shape, package.size_hw)
    return image_tensor(image.name, shape, dtype, path=str(path))


def _scores_behind(program: Program, path: str) -> str:
    """Return the name of the scores: the first output, or the value whose argmax it is."""
    name = program.outputs[0]
    operation = program.producer(name)
    if operation is not None and operation.outputs[0].dtype in _NUMPY_NAMES:
        return name
    while operation is not None and operation.operator in _PASSED_BY:
        arguments: Any = operation.arguments
        argument = arguments["values"][0] if operation.operator == "concat" else arguments["x"]
        operation = program.producer(argument.name) if isinstance(argument, Reference) else None
    scores = (
        operation.arguments["x"]
        if operation is not None and operation.operator == "reduce_argmax"
        else None
    )
    if not isinstance(scores, Reference):
        raise ArtifactError(
            f"{path} gives class ids that no reduce_argmax makes, so it has no scores to read; "
            "export it with head logits"
        )
    return scores.name
