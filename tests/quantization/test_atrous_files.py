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
from tests.slow import or_slow


@pytest.fixture(scope="module", params=[or_slow("zero-insert", False), "deinterlace"])
def other_files(
    request: pytest.FixtureRequest,
    canonical: CanonicalGraph,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """The int8 file of every target, its atrous convolutions in another form."""
    graph = canonical.rewritten([AskedRewrite(request.param)])
    folder = tmp_path_factory.mktemp(request.param)
    return {target: write_int8(graph, target, folder) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_int8_file_of_another_atrous_form_is_bit_equal(
    int8_files: dict[str, Path],
    other_files: dict[str, Path],
    pictures: torch.Tensor,
    target: str,
) -> None:
    native, rewritten = open_artifact(int8_files[target]), open_artifact(other_files[target])
    assert (rewritten.logits(pictures.numpy()) == native.logits(pictures.numpy())).all()
    assert (rewritten.predict(pictures.numpy()) == native.predict(pictures.numpy())).all()
    convolutions = [
        o.convolution for o in read_graph(other_files[target]).operators if o.convolution
    ]
    assert not any(convolution.dilated for convolution in convolutions)


def test_int8_files_of_another_atrous_form_hold_the_same_numbers_in_every_format(
    other_files: dict[str, Path],
) -> None:
    comparison = compare_stored(list(other_files.values()))
    assert comparison.differences == ()
    assert comparison.weights == 19
