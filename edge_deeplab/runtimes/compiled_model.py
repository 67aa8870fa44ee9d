"""LiteRT's CompiledModel on the CPU: the API that Kotlin, Swift and the web use in place of the interpreter.

It runs what a file's signature names, where the interpreter runs the graph, and it tells shapes and types but not what
integers stand for; so the input's meaning and which output is the first are read from the interpreter, which prepares
nothing for that.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.converters.noise import quietly
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.runtimes.inputs import Tensor
from edge_deeplab.runtimes.interpreter import (
    gives_scores,
    open_interpreter,
    read_description,
    read_image,
    to_values,
)
from edge_deeplab.runtimes.tflite_signature import open_signature, read_ends
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line, size_text

_NO_VENDORS = "none"
"""A folder of the package that is not there: otherwise every accelerator vendor's library beside it is loaded."""


class CompiledModelEngine:
    """A .tflite file in LiteRT's CompiledModel, on the CPU accelerator.

    Args:
        path: the file.
        threads: number of CPU threads; None takes every CPU.
        size_hw: of a file that lists sizes, the one to run; None: the file's first signature.

    Raises:
        ArtifactError: when the file is damaged, takes no RGB picture, or its signature does not give its output.
        MissingDependencyError: without ai-edge-litert.
    """

    def __init__(
        self, path: Path, threads: int | None = None, *, size_hw: Sequence[int] | None = None
    ) -> None:
        self._path = path
        self._module: Any = require(
            "ai_edge_litert.compiled_model", package="ai-edge-litert", extra="tflite"
        )
        self.name = f"ai-edge-litert {version('ai-edge-litert')} CompiledModel"
        # first, because LiteRT reads metadata without any bound
        self.description_text = read_description(path)
        interpreter = open_interpreter(path, delegate=False)
        self._key: str | None = None
        if size_hw is None:
            self.image = read_image(interpreter, path)
            self._output = interpreter.get_output_details()[0]
        else:
            size = size_hw[0], size_hw[1]
            runner = open_signature(interpreter, size, path)
            self.image, self._output = read_ends(runner, size, path)
            self._key = size_text(size)
        with quietly():  # it tells on stderr of every accelerator that it looks for
            self._load(threads or available_cpus())

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        self._inputs[0].write(tensor)
        self._model.run_by_index(self._signature, self._inputs, self._outputs)
        output = self._outputs[self._place]
        shape, dtype = output.get_tensor_details()["shape"], np.dtype(self._output["dtype"])
        content = output.read(int(np.prod(shape)) * dtype.itemsize, np.uint8)  # it reads no int64
        result: Tensor = content.view(dtype).reshape(shape)
        return result

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, which CompiledModel gives only where they are the output."""
        if not gives_scores(self._output):
            raise ArtifactError(
                f"{self._path} gives class ids, and CompiledModel shows no value before them; a file that gives scores "
                "was expected; export it with head logits, or read it in the interpreter"
            )
        return to_values(self.run(tensor), self._output)

    def _load(self, threads: int) -> None:
        """Compile the file, give its input the final size and make the buffers, in place."""
        try:
            self._model = self._compile(threads)
            self._signature = self._find_signature()
            key = self._model.get_signature_by_index(self._signature)["key"]
            (taken,) = self._model.get_input_tensor_details(key).values()
            if tuple(taken["shape"]) != self.image.shape:
                self._model.resize_input_tensor(0, self.image.shape, self._signature)
            self._inputs = self._model.create_input_buffers(self._signature)
            self._outputs = self._model.create_output_buffers(self._signature)
            given = [d["index"] for d in self._model.get_output_tensor_details(key).values()]
            if self._output["index"] not in given:
                raise ValueError(f"its signature does not give {self._output['name']!r}")
            self._place = given.index(self._output["index"])
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(
                f"{self._path} cannot be loaded by {self.name} ({first_line(error)}); a complete .tflite file whose "
                "signature names what its graph takes and gives was expected; copy or export it again"
            ) from error

    def _find_signature(self) -> int:
        """Return the index of the signature that is run, the first where none was named."""
        return 0 if self._key is None else int(self._model.get_signature_index(self._key))

    def _compile(self, threads: int) -> Any:
        module, folder = self._module, Path(self._module.__file__).parent
        environment = module.Environment.create(
            options=module.EnvironmentOptions(
                runtime_path=str(folder),
                compiler_plugin_path=str(folder / _NO_VENDORS),
                dispatch_library_path=str(folder / _NO_VENDORS),
            )
        )
        options = module.Options(
            hardware_accelerators=module.HardwareAccelerator.CPU,
            cpu_options=module.CpuOptions(num_threads=threads),
        )
        return module.CompiledModel.from_file(
            str(self._path), environment=environment, options=options
        )
