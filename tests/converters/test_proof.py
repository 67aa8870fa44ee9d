"""A file that computes something else than its graph is not kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.proof import Proof
from edge_deeplab.description import Head
from edge_deeplab.errors import ConversionError
from edge_deeplab.runtimes.once import run_once
from tests.converters.conftest import CLASSES, describe

Canonical = Callable[[Head], CanonicalGraph]
Exported = Callable[[str, str, Head], Path]


@pytest.mark.parametrize(
    ("target", "precision", "head"),
    [
        ("onnx", "fp32", "logits"),
        ("onnx", "fp16", "classes"),
        ("tflite", "fp16", "logits"),
        ("coreml", "fp16", "classes"),
        ("coreml", "fp32", "logits"),
    ],
)
def test_file_that_computes_what_its_graph_does_passes(
    target: str, precision: str, head: Head, canonical: Canonical, exported: Exported
) -> None:
    path = exported(target, precision, head)
    proof = Proof(canonical(head), describe(target, precision, head), path, run_once)
    assert proof.finish() is None


@pytest.mark.parametrize("head", ["logits", "classes"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_file_that_computes_something_else_is_refused(
    head: Head, precision: str, canonical: Canonical, exported: Exported
) -> None:
    def run(path: Path, image_hwc: npt.NDArray[np.uint8]) -> Any:
        if head == "classes":
            return len(CLASSES) - 1 - np.asarray(run_once(path, image_hwc))
        return run_once(path, 255 - image_hwc)

    graph, path = canonical(head), exported("onnx", "fp32", head)
    with pytest.raises(ConversionError, match="the onnx file computes something else"):
        Proof(graph, describe("onnx", precision, head), path, run).finish()


def test_file_that_gives_no_numbers_is_refused(canonical: Canonical) -> None:
    graph = canonical("logits")
    nothing = np.full((5, *graph.size_hw), np.nan, np.float32)
    with pytest.raises(ConversionError, match="differ by inf of their spread"):
        Proof(graph, describe("onnx", "fp32", "logits"), Path("it"), lambda *_: nothing).finish()


def test_file_that_cannot_be_run_here_says_why(canonical: Canonical) -> None:
    description = describe("onnx", "fp32", "logits")
    proof = Proof(canonical("logits"), description, Path("it"), lambda *_: "no runtime")
    assert proof.finish() == "no runtime"
