"""Apple's own runtime for Core AI on this machine's processor; on Linux one thread of plain kernels, slow and exact."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.coreai_asset import EXPECTED, read_asset
from edge_deeplab.formats.coreai_listing import MAIN
from edge_deeplab.formats.coreai_program import native_values
from edge_deeplab.formats.source import unreadable
from edge_deeplab.runtimes.base import CORE_AI
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
        _, assets = _load_native()
        with _parsing(path):
            self._function = _Function(assets.AIModelAsset.load(path))
            told = self._function.told
            inputs, self._output = list(told.input_names), str(told.output_names[0])
        name = only_input(inputs, path=str(path))
        taken = told.input_descriptor(name)
        self.image = image_tensor(name, list(taken.shape), str(taken.dtype), path=str(path))
        self.name = f"{CORE_AI} {installed_version(CORE_AI)}"

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the function's first output."""
        return self._function.run({self.image.name: tensor})[self._output]

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, which Core AI gives only where they are the output."""
        output = self.run(tensor)
        if output.dtype.kind != "f":
            raise ArtifactError(
                f"{self._path} gives class ids, and Core AI shows no value before them; export it with head logits"
            )
        return output


def run_giving(path: Path, names: Sequence[str], tensor: Tensor) -> Mapping[str, Tensor]:
    """Run a copy of one of this project's assets that gives some of the values inside it as well.

    Args:
        path: the asset.
        names: of the values, as `read_program` gives them.
        tensor: its input.

    Returns:
        The values by name.

    Raises:
        ArtifactError: when the asset is damaged.
        MissingDependencyError: without coreai-core.
    """
    _, assets = _load_native()
    ir: Any = import_module("coreai._compiler.ir")
    dialect: Any = import_module("coreai._compiler.dialects.coreai")
    with _parsing(path), TemporaryDirectory() as folder:
        program = assets.AIModelAsset.load(path).program
        known, graph = native_values(program, path), program._get_graph(MAIN)
        block = graph.bodyRegion.blocks[0]
        given, operation = [known[name] for name in names], graph.operation
        (output,) = [op for op in block.operations if op.operation.name == "coreai.output"]
        with operation.context, ir.Location.unknown():
            with ir.InsertionPoint(output):
                dialect.OutputOp(given)
            output.operation.erase()
            types = [each.type for each in block.arguments], [each.type for each in given]
            operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(*types))
            called = [{"coreai.name": ir.StringAttr.get(name)} for name in names]
            operation.attributes["res_attrs"] = ir.ArrayAttr.get(
                [ir.DictAttr.get(each) for each in called]
            )
        function = _Function(program.save_asset(Path(folder) / "giving.aimodel"))
        (image,) = function.told.input_names
        return function.run({str(image): tensor})


class _Function:
    """The function of an asset that runs, "main" or else its first.

    Args:
        asset: coreai's, open.
    """

    def __init__(self, asset: Any) -> None:
        self._runtime, _ = _load_native()
        self._loop = asyncio.new_event_loop()
        self._function = self._loop.run_until_complete(_load(asset))
        self.told = self._function.desc
        """What it takes and gives."""

    def run(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Map input tensors to output tensors, each by its name."""
        given = {name: self._runtime.NDArray(tensor) for name, tensor in tensors.items()}
        outputs = self._loop.run_until_complete(self._function(given))
        return {str(name): value.numpy() for name, value in outputs.items()}


async def _load(asset: Any) -> Any:
    """Return an asset's function; what it was compiled to on disk is gone by then, and no longer needed."""
    async with asset.executable() as model:
        names = list(model.function_names)
        return model.load_function(MAIN if MAIN in names else names[0])


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Turn what coreai raises over a damaged asset into one sentence.

    Raises:
        ArtifactError: in place of it.
    """
    try:
        yield
    except (RuntimeError, ValueError, LookupError, AttributeError) as error:
        raise unreadable(path, EXPECTED, str(error)) from error


def service() -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    """Return what a bounded child answers that only compiles and loads assets."""
    _load_native()

    def load(path: str) -> Mapping[str, Any]:
        with _parsing(Path(path)):
            _Function(_load_native()[1].AIModelAsset.load(Path(path)))
        return {}

    return {"load": load}


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
