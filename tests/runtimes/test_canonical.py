"""The canonical graph as a runtime: the model's own numbers, and the same promises as the files'."""

import numpy as np
import numpy.typing as npt
import pytest

from edge_deeplab.errors import DataError
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.runtimes.canonical import CanonicalRuntime
from edge_deeplab.runtimes.torch import TorchRuntime
from tests.runtimes.conftest import SIZE_HW


@pytest.fixture(scope="module")
def runtime(checkpoint: Checkpoint) -> CanonicalRuntime:
    return CanonicalRuntime(checkpoint, threads=1)


def test_float_graph_gives_the_models_logits(
    runtime: CanonicalRuntime, checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    expected = TorchRuntime(checkpoint).logits(images)
    np.testing.assert_allclose(runtime.logits(images), expected, atol=1e-3)
    np.testing.assert_array_equal(runtime.predict(images), runtime.logits(images).argmax(axis=1))


def test_runtime_says_what_it_is(runtime: CanonicalRuntime) -> None:
    assert "canonical" in runtime.name
    assert runtime.size_hw == SIZE_HW
    assert runtime.description is not None
    assert runtime.description.target is None, "it is no file"


def test_empty_batch_and_wrong_size(
    runtime: CanonicalRuntime, images: npt.NDArray[np.uint8]
) -> None:
    assert runtime.predict(images[:0]).shape == (0, *SIZE_HW)
    assert runtime.time_once(images) > 0
    with pytest.raises(DataError, match="was expected"):
        runtime.logits(images[:, :16])
