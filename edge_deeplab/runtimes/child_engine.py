"""An engine in a bounded child, as seen from the parent: it can crash, and what asked it goes on with one sentence."""

from pathlib import Path
from typing import Any

import numpy as np

from edge_deeplab.child.bounded import BoundedChild
from edge_deeplab.child.limits import Allowance, Limits
from edge_deeplab.errors import ChildError
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.runtimes.inputs import AffineQuantization, ImageTensor, Tensor, image_tensor
from edge_deeplab.runtimes.threads import available_cpus
from edge_deeplab.targets import TARGETS, RuntimeName, target_run_by

SERVICE = "edge_deeplab.runtimes.engine_service"


class ChildEngine:
    """A file in an engine in a process of its own; see `edge_deeplab.runtimes.engine` for its methods.

    Args:
        engine: a key of `ENGINES` in one of the modules `edge_deeplab.runtimes.TARGET`.
        path: the file.
        threads: number of CPU threads; None takes every CPU.
        allowance: what the file may take instead of the defaults.
        settings: further arguments of the engine, JSON values.

    Raises:
        ArtifactError: what the engine raises of the file, and ChildError when the file harms its process.
        MissingDependencyError: without the runtime.
        UnsupportedOperatorError: when the MIL reference evaluator does not know an operator.
    """

    def __init__(
        self,
        engine: RuntimeName,
        path: Path,
        threads: int | None,
        allowance: Allowance | None = None,
        **settings: Any,
    ) -> None:
        used_threads = threads or available_cpus()
        limits = Limits.for_file(
            content_bytes(path),
            threads=used_threads,
            patience=TARGETS[target_run_by(engine)].patience,
            allowance=allowance,
        )
        self._child = BoundedChild(SERVICE, subject=str(path), limits=limits, engine=engine)
        opened = self._child.ask("open", path=str(path), settings={**settings, "threads": threads})
        self._path = path
        self._held: Tensor | None = None
        self.name, self.image, self.description_text = self._read(opened)

    def run(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the file's first output."""
        return self._output("run", tensor)

    def run_scores(self, tensor: Tensor) -> Tensor:
        """Map the input tensor to the scores, or to the input of the argmax where the output is the class map."""
        return self._output("run_scores", tensor)

    def time_run(self, tensor: Tensor) -> float:
        """Execute the file once and return the seconds that took in its process; a tensor is sent once."""
        if tensor is not self._held:
            self._child.ask("hold", tensor=tensor)
            self._held = tensor
        seconds = self._child.ask("time").get("seconds")
        if not isinstance(seconds, float):
            raise ChildError(str(self._path), "it told no time")
        return seconds

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _output(self, request: str, tensor: Tensor) -> Tensor:
        output = self._child.ask(request, tensor=tensor).get("output")
        if not isinstance(output, np.ndarray):
            raise ChildError(str(self._path), "it gave no tensor")
        return output

    def _read(self, opened: dict[str, Any]) -> tuple[str, ImageTensor, str | None]:
        """Return what the child tells of the file."""
        try:
            image, text = opened["image"], opened["description_text"]
            quantization = image["quantization"]
            tensor = image_tensor(
                str(image["name"]),
                list(image["shape"]),
                str(image["dtype"]),
                None if quantization is None else AffineQuantization(**quantization),
                path=str(self._path),
            )
            return str(opened["name"]), tensor, None if text is None else str(text)
        except (KeyError, TypeError, ValueError) as error:
            raise ChildError(str(self._path), f"it described the file badly: {error!r}") from error
