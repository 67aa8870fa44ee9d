"""Apple's own runtime for Core AI on this machine's processor; on Linux one thread of plain kernels, slow and exact."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.coreai_asset import EXPECTED, read_asset
from edge_deeplab.formats.coreai_program import MAIN
from edge_deeplab.formats.source import unreadable
from edge_deeplab.runtimes.engine import EngineFactory
from edge_deeplab.runtimes.inputs import Tensor, image_tensor, only_input
from edge_deeplab.versions import installed_version


class CoreAIEngine:
    """An .aimodel in Core AI's runtime.

    Args:
        path: the folder.
        threads: taken as by every engine; the runtime chooses for itself.

    Raises:
        ArtifactError: when the asset is damaged or takes no RGB picture.
        MissingDependencyError: without coreai-core.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        self.description_text = read_asset(path).description_text
        self._runtime, assets = _load_native()
        self._loop = asyncio.new_event_loop()
        self._kept = AsyncExitStack()
        try:
            asset = assets.AIModelAsset.load(path)
            model = self._loop.run_until_complete(
                self._kept.enter_async_context(asset.executable())
            )
            names = list(model.function_names)
            self._function = model.load_function(MAIN if MAIN in names else names[0])
            told = self._function.desc
            inputs, self._output = list(told.input_names), str(told.output_names[0])
        except (RuntimeError, ValueError, LookupError, AttributeError) as error:
            raise unreadable(path, EXPECTED, str(error)) from error
        name = only_input(inputs, path=str(path))
        taken = told.input_descriptor(name)
        self.image = image_tensor(name, list(taken.shape), str(taken.dtype), path=str(path))
        self.name = f"coreai-core {installed_version('coreai-core')}"

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the function's first output."""
        given = {self.image.name: self._runtime.NDArray(tensor)}
        output: Tensor = self._loop.run_until_complete(self._function(given))[self._output].numpy()
        return output

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, which Core AI gives only where they are the output."""
        output = self.run(tensor)
        if output.dtype.kind != "f":
            raise ArtifactError(
                f"{self._path} gives class ids, and Core AI shows no value before them; export it with head logits"
            )
        return output


def _load_native() -> tuple[Any, Any]:
    """Return the runtime's module and that of assets.

    Raises:
        MissingDependencyError: without coreai-core.
    """
    return (
        require("coreai.runtime", package="coreai-core", extra="coreai"),
        require("coreai.authoring.asset", package="coreai-core", extra="coreai"),
    )


def _engine() -> EngineFactory:
    _load_native()
    return CoreAIEngine


ENGINES: Mapping[str, Callable[[], EngineFactory]] = {"core-ai": _engine}
"""By the runtime's name; the function imports what the engine needs and returns what makes one."""
