"""Int8 files of rewritten graphs: another atrous form gives the same scores, Ethos-U's form the same classes."""

from pathlib import Path

import pytest
import torch

from edge_deeplab.checker.judging import gather_facts, judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.mending import foresee, lower_mended
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.formats.read import read_graph
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.targets import TARGETS
from tests.by_target import ByTarget
from tests.opening import open_here
from tests.quantization.conftest import describe_int8, write_int8
from tests.slow import or_slow


@pytest.fixture(scope="module", params=[or_slow("zero-insert", False), "deinterlace"])
def other_files(
    request: pytest.FixtureRequest,
    canonical: CanonicalGraph,
    tmp_path_factory: pytest.TempPathFactory,
) -> ByTarget[Path]:
    """The int8 files, their atrous convolutions in another form."""
    graph = canonical.rewritten([AskedRewrite(request.param)])
    folder = tmp_path_factory.mktemp(request.param)
    return ByTarget(lambda target: write_int8(graph, target, folder))


@pytest.mark.parametrize("target", [or_slow(target, target == "onnx") for target in TARGETS])
def test_int8_file_of_another_atrous_form_is_bit_equal(
    int8_files: ByTarget[Path],
    other_files: ByTarget[Path],
    pictures: torch.Tensor,
    target: str,
) -> None:
    native, rewritten = open_here(int8_files[target]), open_here(other_files[target])
    assert (rewritten.logits(pictures.numpy()) == native.logits(pictures.numpy())).all()
    assert (rewritten.predict(pictures.numpy()) == native.predict(pictures.numpy())).all()
    convolutions = [
        o.convolution for o in read_graph(other_files[target]).operators if o.convolution
    ]
    assert not any(convolution.dilated for convolution in convolutions)


def test_checker_knows_every_move_of_phases_in_a_deinterlaced_file(
    other_files: ByTarget[Path],
) -> None:
    facts = gather_facts(read_graph(other_files["onnx"]))
    moves = [f["phase_move"] for f in facts if f["type"] in ("Transpose", "Reshape")]
    cut = [move for move in moves if str(move).startswith("cut")]
    deinterlaced = other_files["onnx"].parent.name.startswith("deinterlace")
    assert bool(cut) == deinterlaced
    assert moves.count("none") == 1  # the picture, to channels first
    assert len(moves) - len(cut) - 1 == 7 * moves.count("interlace-1")


@pytest.mark.slow
def test_int8_files_of_another_atrous_form_hold_the_same_numbers_in_every_format(
    other_files: ByTarget[Path],
) -> None:
    comparison = compare_stored(list(other_files.values()))
    assert comparison.differences == ()
    assert comparison.weights == 19


def test_mended_file_is_placed_whole_and_gives_the_class_map(
    canonical: CanonicalGraph, int8_files: ByTarget[Path], pictures: torch.Tensor, tmp_path: Path
) -> None:
    profile, plain = load_profile("ethos-u55-256"), int8_files["tflite"]
    verdicts = judge(read_graph(plain), profile).verdicts
    left = [v.operator for v in verdicts if v.verdict is Verdict.FALLBACK]
    assert set(left) == {"RESIZE_BILINEAR"}
    written: list[Path] = []

    def lower(graph: CanonicalGraph) -> Path:
        written.append(write_int8(graph, "tflite", tmp_path))
        return written[-1]

    plan = foresee(canonical, describe_int8("tflite"), "native", [profile])
    mended, (report,) = lower_mended(canonical, lower, [profile], plan)
    assert len(written) == 1
    names = {request.name for request in mended.asked}
    assert names == {"resize-as-convolution", "split-depthwise"}
    assert {v.verdict for v in report.verdicts} <= {Verdict.OK, Verdict.SLOW}
    images = pictures.numpy()
    with open_here(written[-1]) as runtime, open_here(plain) as before:
        same = (runtime.predict(images) == before.predict(images)).mean()
    assert same > 0.98  # random weights: classes of many pixels are a rounding apart
