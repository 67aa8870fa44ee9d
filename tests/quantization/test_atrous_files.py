"""The int8 files of an atrous convolution's other forms give the native file's scores, bit for bit, in every format."""

from pathlib import Path

import pytest
import torch

from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.converters.rewrites.catalogue import AskedRewrite
from edge_deeplab.formats.read import read_graph
from edge_deeplab.formats.stored.read import compare_stored
from edge_deeplab.runtimes.open import open_artifact
from edge_deeplab.targets import TARGETS
from tests.quantization.conftest import write_int8


@pytest.mark.parametrize("form", ["zero-insert", "deinterlace"])
@pytest.mark.parametrize("target", ["tflite", "onnx", "coreml"])
def test_int8_file_of_another_atrous_form_is_bit_equal(
    canonical: CanonicalGraph,
    int8_files: dict[str, Path],
    pictures: torch.Tensor,
    target: str,
    form: str,
    tmp_path: Path,
) -> None:
    path = write_int8(canonical.rewritten([AskedRewrite(form)]), target, tmp_path)
    native, rewritten = open_artifact(int8_files[target]), open_artifact(path)
    assert (rewritten.logits(pictures.numpy()) == native.logits(pictures.numpy())).all()
    assert (rewritten.predict(pictures.numpy()) == native.predict(pictures.numpy())).all()
    convolutions = [o.convolution for o in read_graph(path).operators if o.convolution]
    assert not any(convolution.dilated for convolution in convolutions)


@pytest.mark.parametrize("form", ["zero-insert", "deinterlace"])
def test_int8_files_of_another_atrous_form_hold_the_same_numbers_in_every_format(
    canonical: CanonicalGraph, form: str, tmp_path: Path
) -> None:
    graph = canonical.rewritten([AskedRewrite(form)])
    comparison = compare_stored([write_int8(graph, target, tmp_path) for target in TARGETS])
    assert comparison.differences == ()
    assert comparison.weights == 19
