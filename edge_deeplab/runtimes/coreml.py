"""What runs a .mlpackage: Core ML itself, through coremltools, on macOS; elsewhere the MIL reference evaluator."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.coreml_package import locate_model
from edge_deeplab.runtimes.engine import EngineFactory
from edge_deeplab.runtimes.inputs import ImageTensor, Tensor, image_tensor


def core_ml_runs_here() -> bool:
    """Whether this system has Core ML."""
    return sys.platform == "darwin"


class CoreMLEngine:
    """An .mlpackage in Core ML, on whatever device it chooses.

    Args:
        path: the package.
        threads: taken as by every engine; Core ML chooses for itself.

    Raises:
        ArtifactError: on other systems than macOS; when the package is damaged, takes no RGB picture, or something in
            it leads outside.
        MissingDependencyError: without coremltools.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if not core_ml_runs_here():
            raise ArtifactError(
                f"{path} was to be run by Core ML, which only macOS has; a Mac was expected; "
                "open_artifact runs it in the MIL reference evaluator here"
            )
        self._path = path
        locate_model(path)
        coremltools: Any = require("coremltools", package="coremltools", extra="coreml")
        try:
            self._model = coremltools.models.MLModel(str(path))
        except Exception as error:  # coremltools and Core ML raise their own
            raise ArtifactError(
                f"{path} cannot be loaded by Core ML ({error}); a complete .mlpackage folder was expected; "
                "copy or export it again"
            ) from error
        self.name = f"coreml, coremltools {coremltools.__version__}"
        description = self._model.get_spec().description
        self._output = description.output[0].name
        self._is_picture = description.input[0].type.WhichOneof("Type") == "imageType"
        self.image = _image_input(description.input[0], path)
        self.description_text: str | None = self._model.user_defined_metadata.get(METADATA_KEY)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the model's first output."""
        output: Tensor = self._model.predict({self.image.name: self._feature(tensor)})[self._output]
        return output

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, which Core ML gives only where they are the output."""
        output = self.run(tensor)
        if output.dtype.kind != "f":
            raise ArtifactError(
                f"{self._path} gives class ids, and Core ML shows no value before them; "
                "export it with head logits, or read it with the MIL reference evaluator"
            )
        return output

    def _feature(self, tensor: Tensor) -> Any:
        """Return what Core ML takes: a picture, or the tensor itself."""
        if not self._is_picture:
            return tensor
        from PIL import Image

        return Image.fromarray(np.ascontiguousarray(tensor[0].transpose(1, 2, 0)))


def _image_input(feature: Any, path: Path) -> ImageTensor:
    if feature.type.WhichOneof("Type") == "imageType":
        picture = feature.type.imageType
        return image_tensor(
            feature.name, (1, 3, picture.height, picture.width), "uint8", path=str(path)
        )
    array = feature.type.multiArrayType
    dtype = array.ArrayDataType.Name(array.dataType).lower()
    return image_tensor(feature.name, list(array.shape), dtype, path=str(path))


def _core_ml() -> EngineFactory:
    require("coremltools", package="coremltools", extra="coreml")
    return CoreMLEngine


def _mil_reference() -> EngineFactory:
    from edge_deeplab.formats.importing_coremltools import import_coremltools

    import_coremltools(converting=False)
    from edge_deeplab.runtimes.mil.engine import MILEngine

    return MILEngine


ENGINES: Mapping[str, Callable[[], EngineFactory]] = {
    "core-ml": _core_ml,
    "mil-reference": _mil_reference,
}
"""By the runtime's name; each function imports what the engine needs and returns what makes one."""
