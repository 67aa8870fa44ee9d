"""Int8 files for Ethos-U: one lowering mends them, nothing is left to the processor, and the class map stays."""

from pathlib import Path

import torch

from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.devices.mending import foresee, lower_mended
from edge_deeplab.formats.read import read_graph
from edge_deeplab.runtimes.open import open_artifact
from tests.quantization.conftest import describe_int8, write_int8


def test_mended_file_is_placed_whole_and_gives_the_class_map(
    canonical: CanonicalGraph, int8_files: dict[str, Path], pictures: torch.Tensor, tmp_path: Path
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
    with open_artifact(written[-1]) as runtime, open_artifact(plain) as before:
        same = (runtime.predict(images) == before.predict(images)).mean()
    assert same > 0.98  # random weights: classes of many pixels are a rounding apart
