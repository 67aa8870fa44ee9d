"""Does a file that was just written compute what its canonical graph does? One run of one fixed picture says so.

A converter that takes an operator for another one fails here, whatever the operator; what rounding changes passes.
Runtimes lie above the converters, so whoever exports hands in what runs a file.
"""

from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_deeplab.converters.aten import ARGMAX
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.program import ProgramEditor
from edge_deeplab.description import Description
from edge_deeplab.errors import ConversionError
from edge_deeplab.models.picture import resize

Run = Callable[[Path, npt.NDArray[np.uint8]], npt.NDArray[Any] | str]
"""Gives the (K, H, W) logits, or (H, W) class ids, of a file for an (H, W, 3) picture; a sentence where none can."""

LIMITS = {"fp32": 0.02, "fp16": 0.2, "w8": 0.5, "int8": 0.5}
"""Largest difference, root mean square, as a share of the spread of the logits; palettes of few bits have none."""
_TILE = 16
_ONE_AT_A_TIME = Lock()


class Proof:
    """One run of a file, under way until it is asked what came of it, so that the next file can be lowered meanwhile.

    It runs in a thread of its own, one run at a time; a run is the work of another process, which the thread awaits.

    Args:
        graph: what was lowered.
        description: of the file.
        path: the file.
        run: runs it.
    """

    def __init__(
        self, graph: CanonicalGraph, description: Description, path: Path, run: Run
    ) -> None:
        self._graph, self._description = graph, description
        self._limit = LIMITS.get(description.precision)
        self._answer: Future[npt.NDArray[Any] | str] = Future()
        if self._limit is not None:
            # A daemon, because whoever interrupts an export does not wait for a runtime.
            Thread(target=self._run, args=(path, run), daemon=True).start()

    def finish(self) -> str | None:
        """Hold the file against its graph.

        Returns:
            Why it could not be run here; None where it was, or where nothing is known of its precision.

        Raises:
            ConversionError: when it computes something else.
        """
        if self._limit is None:
            return None
        found = self._answer.result()
        if isinstance(found, str):
            return found
        difference = _difference(self._graph, torch.from_numpy(found))
        if difference <= self._limit:
            return None
        raise ConversionError(
            f"the {self._description.target} file computes something else than the network: its scores differ by "
            f"{difference:.2g} of their spread; at most {self._limit} was expected of {self._description.precision}; "
            "export to another target or precision, and report the network's operators"
        )

    def _run(self, path: Path, run: Run) -> None:
        with _ONE_AT_A_TIME:
            try:
                self._answer.set_result(run(path, _picture(self._graph.size_hw)))
            except BaseException as error:  # raised where it is asked for
                self._answer.set_exception(error)


def _picture(size_hw: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return one fixed picture of coloured tiles under noise."""
    chance = np.random.default_rng(0)
    tiles = chance.integers(0, 192, [-(-side // _TILE) for side in size_hw] + [3])
    wide = tiles.repeat(_TILE, axis=0).repeat(_TILE, axis=1)[: size_hw[0], : size_hw[1]]
    return (wide + chance.integers(0, 64, wide.shape)).astype(np.uint8)


def _difference(graph: CanonicalGraph, found: torch.Tensor) -> float:
    """Return how far a file's answer lies from the graph's logits, as a share of their spread; of class ids, how much
    less the graph gives their classes than the best.
    """
    scores = _scores(graph)
    spread = float(scores.std()) + 1e-3 * float(scores.abs().max()) + 1e-6
    if graph.head == "classes":
        ids = found[:: found.shape[0] // scores.shape[1], :: found.shape[1] // scores.shape[2]]
        taken = scores.gather(0, ids[None].long())
        errors = scores.amax(0) - taken[0]
    else:
        kept = min(len(found), len(scores))  # a rewrite may pad classes
        errors = found[:kept] - resize(scores[None], graph.size_hw)[0][:kept]
    difference = float(errors.double().square().mean().sqrt()) / spread
    return difference if difference == difference else float("inf")


@lru_cache(maxsize=2)  # targets share a graph, one a head
def _scores(graph: CanonicalGraph) -> torch.Tensor:
    """Return the (K, h, w) logits of the graph, those before its class map where it gives one."""
    image_hwc = torch.from_numpy(_picture(graph.size_hw))
    if graph.head == "logits":
        return graph.run(image_hwc)
    editor = ProgramEditor(graph.program)
    argmax: Any = editor.calls(ARGMAX)[-1]
    editor.graph.output_node().replace_input_with(editor.output(), argmax.args[0])
    module: Any = editor.finish().module()
    with torch.no_grad():
        (scores,) = module(image=image_hwc.permute(2, 0, 1)[None].float()).values()
    logits: torch.Tensor = scores[0]
    return logits
