"""ExecuTorch's own runtime, on the CPU: XNNPACK computes what the file hands it, portable kernels the rest.

The runtime's compiled module is imported by itself: the package above it would import ExecuTorch's exporter.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.description import METADATA_KEY
from edge_deeplab.errors import ArtifactError, require
from edge_deeplab.formats.executorch import element_of
from edge_deeplab.formats.executorch_file import ExecuTorchFile, executorch_schema
from edge_deeplab.formats.flatbuffer import FlatTable, read_flatbuffer
from edge_deeplab.formats.source import read_bytes, unreadable
from edge_deeplab.runtimes.engine import EngineFactory
from edge_deeplab.runtimes.inputs import Tensor, image_tensor
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.text import first_line, printable
from edge_deeplab.versions import installed_version

NATIVE = "executorch.extension.pybindings._C"
_ARGMAX = "aten::argmax"
_BYTES = {"FLOAT": 4, "INT": 4, "HALF": 2, "BYTE": 1, "CHAR": 1, "BOOL": 1}
"""Of an element; others have eight."""
_TRACE_SCHEMA, _SIZE_PREFIX = "devtools/etdump/etdump_schema_flatcc.fbs", 4
_ALIGNMENT, _SLACK = 64, 1 << 16


class ExecuTorchEngine:
    """A .pte file in ExecuTorch's runtime.

    Args:
        path: the file.
        threads: number of CPU threads; None takes every CPU.

    Raises:
        ArtifactError: when the file is damaged or takes no RGB picture.
        MissingDependencyError: without executorch.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        with reading_program(path):
            file = ExecuTorchFile(read_bytes(path))
            _check_backends(path, {delegate.backend for delegate in file.delegates})
            self.description_text = file.text(METADATA_KEY)
            self._method = str(file.plan["name"])
            self._scores_from = _instruction_before_argmax(file.plan)
            self._kept = _bytes_kept(file.plan)
            told = picture_of(file)
            shape, dtype = told["sizes"].tolist(), element_of(told)
        self.image = image_tensor("image", shape, dtype, path=str(path))
        self.name = f"executorch {installed_version('executorch')} XNNPACK"
        load_native()._unsafe_reset_threadpool(threads or available_cpus())
        self._program = LoadedProgram(path, self._method)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        return self._program.run(tensor)

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, which the event tracer keeps of what the argmax reads."""
        if self._scores_from is None:
            return self._scores_given(tensor)
        # what it keeps of one run is never given up for the next, so each takes a program of its own
        program = LoadedProgram(self._path, self._method, traced=True, keep=self._kept)
        program.run(tensor)
        with reading_program(self._path):
            return _value_after(self._scores_from, program)

    def _scores_given(self, tensor: Tensor) -> Tensor:
        output = self.run(tensor)
        if output.dtype.kind in "iu":
            raise ArtifactError(
                f"{self._path} gives class ids that no argmax makes, so it has no scores to read; export it with head "
                "logits"
            )
        return output


def _check_backends(path: Path, wanted: set[str]) -> None:
    """Check that the runtime has every backend that a program was compiled for.

    Raises:
        ArtifactError: when it lacks one.
    """
    lacking = sorted(wanted - set(load_native()._get_registered_backend_names()))
    if lacking:
        raise ArtifactError(
            f"{path} was compiled for {printable(', '.join(lacking))}, which ExecuTorch on this machine does not have; "
            "a program for XNNPACK was expected; export it so, or run this one where that is linked in"
        )


def load_native() -> Any:
    """Return the runtime's compiled module.

    Raises:
        MissingDependencyError: without executorch or torch.
    """
    require("torch", package="torch", extra="train")
    return require(NATIVE, package="executorch", extra="executorch")


class LoadedProgram:
    """One method of a program in the runtime.

    Args:
        path: the file.
        method: its name.
        traced: whether the event tracer notes what runs.
        keep: bytes that it may keep of what instructions give; they are never given up, so for one run.

    Raises:
        ArtifactError: when the runtime refuses it.
        MissingDependencyError: without executorch or torch.
    """

    def __init__(self, path: Path, method: str, *, traced: bool = False, keep: int = 0) -> None:
        self._torch: Any = require("torch", package="torch", extra="train")
        try:
            self._program = load_native()._load_program(
                str(path), enable_etdump=traced, debug_buffer_size=keep
            )
            self._method = self._program.load_method(method)
        except RuntimeError as error:
            raise ArtifactError(
                f"{path} cannot be read by ExecuTorch ({first_line(error)}); a complete .pte file for XNNPACK was "
                "expected; export it again"
            ) from error

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the method's first output."""
        output: Tensor = self._method.call([self._torch.from_numpy(tensor)])[0].numpy()
        return output

    def trace(self) -> tuple[FlatTable, bytes]:
        """Return what the event tracer noted, and the bytes that it kept."""
        with tempfile.TemporaryDirectory() as folder:
            noted, kept = Path(folder) / "noted", Path(folder) / "kept"
            self._program.write_etdump_result_to_file(str(noted), str(kept))
            content = noted.read_bytes()[_SIZE_PREFIX:]
            table = read_flatbuffer(content, executorch_schema(_TRACE_SCHEMA))
            return table, kept.read_bytes() if kept.exists() else b""


@contextmanager
def reading_program(path: Path) -> Iterator[None]:
    """Turn what a damaged program raises into one sentence.

    Raises:
        ArtifactError: in place of it.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError, LookupError) as error:
        raise unreadable(path, "an ExecuTorch program", str(error)) from error


def picture_of(file: ExecuTorchFile) -> FlatTable:
    """Return the tensor that a program takes.

    Raises:
        ValueError: when it takes no or several inputs, or no tensor.
    """
    inputs, values = file.plan["inputs"].tolist(), file.plan["values"]
    if len(inputs) != 1 or not 0 <= inputs[0] < len(values):
        raise ValueError(f"it takes {len(inputs)} inputs; one RGB picture was expected")
    told: FlatTable | None = values[inputs[0]]["val"]
    if told is None or told.kind != "Tensor":
        raise ValueError("what it takes is no tensor")
    return told


def _calls(plan: FlatTable) -> list[FlatTable | None]:
    """Return what the instructions of a method's first chain call."""
    return [
        instruction["instr_args"]
        for chain in plan["chains"][:1]
        for instruction in chain["instructions"]
    ]


def _instruction_before_argmax(plan: FlatTable) -> int | None:
    """Return which instruction gives what the argmax reads; None without an argmax."""
    names = [operator["name"] for operator in plan["operators"]]
    calls = _calls(plan)
    for index, called in enumerate(calls):
        if (
            called is not None
            and called.kind == "KernelCall"
            and names[called["op_index"]] == _ARGMAX
        ):
            scores = called["args"][0]
            giving = [
                i for i, c in enumerate(calls[:index]) if c is not None and scores in c["args"]
            ]
            return giving[-1] if giving else None
    return None


def _value_after(place: int, program: LoadedProgram) -> Tensor:
    """Return the last value that an instruction of the latest run touched, which is what it gave."""
    trace, kept = program.trace()
    events = [event["debug_event"] for event in trace["run_data"][-1]["events"]]
    noted = [
        e["debug_entry"]["tensor"] for e in events if e is not None and e["instruction_id"] == place
    ]
    tensors = [tensor for tensor in noted if tensor is not None]
    if not tensors or tensors[-1]["scalar_type"] != "FLOAT":
        raise ValueError("its argmax reads no floats that the event tracer keeps")
    shape, start = tensors[-1]["sizes"].tolist(), tensors[-1]["offset"]
    return np.frombuffer(kept, np.float32, prod(shape), start).reshape(shape).copy()


def _bytes_kept(plan: FlatTable) -> int:
    """Return how many bytes the values take that a method's instructions touch."""
    values, total = plan["values"], _SLACK
    for called in _calls(plan):
        for place in called["args"].tolist() if called is not None else ():
            told = values[place]["val"] if 0 <= place < len(values) else None
            if told is not None and told.kind == "Tensor":
                total += (
                    prod(told["sizes"].tolist()) * _BYTES.get(told["scalar_type"], 8) + _ALIGNMENT
                )
    return total


def _engine() -> EngineFactory:
    load_native()
    return ExecuTorchEngine


ENGINES: Mapping[str, Callable[[], EngineFactory]] = {"executorch-xnnpack": _engine}
"""By the runtime's name; the function imports what the engine needs and returns what makes one."""
