"""An ExecuTorch program: what it says, what XNNPACK computes of it, and what becomes of a damaged one."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.converters.capture import capture
from edge_deeplab.converters.export import write_target
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.executorch_file import ExecuTorchFile, OperatorNames
from edge_deeplab.formats.read import read_graph
from edge_deeplab.formats.xnnpack_graph import XnnpackGraph
from edge_deeplab.lab.matrix import LabRequest, run_lab
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.observers.executorch import measure_executorch
from edge_deeplab.targets import BACKEND_KEY
from tests.fuzz.dice import roll
from tests.fuzz.plain import mutate_bytes
from tests.runtimes.conftest import NORMALISATION, SIZE_HW, Sample, describe, refusal

READ, RUN = 300, 6
"""Mutants that are read here, and of these those that also go through the runtime in its child."""


@pytest.fixture(scope="module")
def path(export_tiny: Callable[..., Path]) -> Path:
    return export_tiny("executorch")


def test_operators_stand_in_the_parts_and_have_their_modules(path: Path) -> None:
    graph = read_graph(path)
    assert graph.format == "executorch"
    convolutions = {o.module: o.convolution for o in graph.operators if o.convolution}
    assert set(convolutions) == {"stem.0", "depthwise.0", "classifier"}
    (depthwise,) = graph.dilated_depthwise
    assert depthwise.type == "XNNDepthwiseConv2d"
    told = convolutions["depthwise.0"]
    assert told is not None
    assert (told.kernel_hw, told.rate_hw, told.channels, told.multiplier) == ((3, 3), (2, 2), 8, 1)
    assert told.padding == (2, 2, 2, 2)
    stem = convolutions["stem.0"]
    assert stem is not None
    assert (stem.stride_hw, stem.channels, stem.groups, stem.multiplier) == ((2, 2), 3, 1, 8)


def test_values_lead_from_operator_to_operator(path: Path) -> None:
    graph = read_graph(path)
    written = {key for operator in graph.operators for key in operator.writes}
    first, *rest = graph.operators
    assert first.inputs[0].shape == (1, *SIZE_HW, 3)  # type: ignore[union-attr]
    for operator in rest:
        computed = [
            key
            for key, spec in zip(operator.reads, operator.inputs, strict=True)
            if spec and not spec.constant
        ]
        assert written.issuperset(computed), operator.name


def test_portable_kernels_are_fallbacks_and_the_tracer_saw_what_was_predicted(path: Path) -> None:
    graph = read_graph(path)
    seen = measure_executorch(path)
    judged = judge(graph, load_profile("executorch-xnnpack"))
    fallbacks = {i for i, v in enumerate(judged.verdicts) if v.verdict == "fallback"}
    assert seen.taken is not None
    assert seen.left is not None
    assert (set(seen.left), seen.refusal, seen.partitions) == (fallbacks, None, 1)
    assert {graph.operators[place].type for place in seen.left} == {
        "aten::argmax",
        "dim_order_ops::_to_dim_order_copy",
    }
    assert {graph.operators[place].domain for place in seen.taken} == {"xnnpack"}


def test_scores_are_of_the_picture_that_was_given_last(path: Path, sample: Sample) -> None:
    with open_artifact(path, threads=1) as runtime:
        for images in (sample.images[:1], sample.images[1:], sample.images[:1]):
            ids = runtime.predict(images)
            np.testing.assert_array_equal(runtime.logits(images).argmax(1), ids)


def test_names_that_are_damaged_are_refused() -> None:
    class File:
        def text(self, method: str) -> str:
            return '{"7": ["a"]}'

    with pytest.raises(ValueError, match="names of its operators is damaged"):
        OperatorNames(File())  # type: ignore[arg-type]


def test_part_of_another_backend_is_one_operator_and_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    assert b"XnnpackBackend" in content
    other = tmp_path / "other.pte"
    other.write_bytes(content.replace(b"XnnpackBackend", b"QnnBackendNone"))
    judged = judge(read_graph(other), load_profile("executorch-xnnpack"))
    (refused,) = [v for v in judged.verdicts if v.verdict == "rejected"]
    assert (refused.operator, refused.name) == ("QnnBackendNone", "delegate 0")
    assert measure_executorch(other).refusal
    with pytest.raises(
        ArtifactError, match=r"compiled for QnnBackendNone, which ExecuTorch on this"
    ):
        open_artifact(other, threads=1)


def test_mutants_are_read_or_refused_in_one_sentence(path: Path, tmp_path: Path) -> None:
    content, dice = path.read_bytes(), roll(0, "pte", 0, "")
    images = np.zeros((1, *SIZE_HW, 3), np.uint8)
    mutant, ended = tmp_path / "mutant.pte", {"read": 0, "refused": 0}
    for number in range(READ):
        changed, told = mutate_bytes(content, dice)
        mutant.write_bytes(changed)
        sentence = refusal(lambda: judge(read_graph(mutant), load_profile("executorch-xnnpack")))
        assert "\n" not in sentence, told
        ended["refused" if sentence else "read"] += 1
        if number < RUN:
            assert "\n" not in refusal(lambda: open_artifact(mutant, threads=1).predict(images))
    assert min(ended.values()) > READ // 10, ended


def test_part_that_is_none_of_xnnpacks_is_refused(path: Path) -> None:
    file = ExecuTorchFile(path.read_bytes())
    (delegate,) = file.delegates
    for content in (b"", bytes(40), bytes(delegate.content[:100])):
        with pytest.raises(ValueError, match="XNNPACK's part"):
            XnnpackGraph(memoryview(content), file)


def test_program_is_a_cell_of_the_labs_matrix(path: Path) -> None:
    (cell,) = run_lab(LabRequest(artifacts=(path,))).cells
    assert (cell.device, cell.evidence, cell.predicted_equal) == (
        "executorch-xnnpack",
        "compiled",
        True,
    )
    assert (cell.partitions, cell.error) == (1, None)
    assert {left.operator for left in cell.left} == {
        "aten::argmax",
        "dim_order_ops::_to_dim_order_copy",
    }


def test_program_for_core_ml_is_one_part_with_its_own_rules(
    tiny_network: Any, tmp_path: Path
) -> None:
    graph = capture(tiny_network, NORMALISATION, SIZE_HW, "classes")
    told = describe("executorch", "fp32", "classes")
    path = tmp_path / "tiny.pte"
    write_target(graph, replace(told, provenance={BACKEND_KEY: "coreml"}), path)
    (operator,) = read_graph(path).operators
    assert (operator.type, operator.domain) == ("CoreMLBackend", "delegate")
    for profile, verdict in (("executorch-coreml", "ok"), ("executorch-xnnpack", "rejected")):
        (judged,) = judge(read_graph(path), load_profile(profile)).verdicts
        assert judged.verdict == verdict
    if sys.platform != "darwin":
        with pytest.raises(ArtifactError, match="compiled for CoreMLBackend"):
            open_artifact(path)
