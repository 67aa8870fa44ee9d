"""What every runtime promises, held by each of them on the same tiny network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_deeplab.errors import DataError
from edge_deeplab.runtimes import Runtime, open_artifact
from tests.runtimes.conftest import CLASSES, SIZE_HW, Sample

FILES = {
    "onnx-classes": ("onnx", "fp32", "classes", 1e-4),
    "onnx-logits": ("onnx", "fp32", "logits", 1e-4),
    "tflite-classes": ("tflite", "fp32", "classes", 1e-4),
    "tflite-logits": ("tflite", "fp32", "logits", 1e-4),
    "mil-classes": ("coreml", "fp32", "classes", 1e-4),
    "mil-logits": ("coreml", "fp32", "logits", 1e-4),
    "executorch-classes": ("executorch", "fp32", "classes", 1e-4),
    "executorch-logits": ("executorch", "fp32", "logits", 1e-4),
    "coreai-logits": ("coreai", "fp32", "logits", 1e-4),
    "coreai-fp16": ("coreai", "fp16", "logits", 5e-3),
    "mil-fp16": ("coreml", "fp16", "classes", 5e-3),
}
"""Name: (target, precision, head, largest difference of logits)."""
NAMES = {
    "onnx": "onnxruntime",
    "tflite": "litert",
    "coreml": "mil-reference",
    "executorch": "executorch",
    "coreai": "coreai-core",
}


@pytest.fixture(params=FILES, scope="class")
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="class")
def runtime(case: str, export_tiny: Callable[..., Path]) -> Runtime:
    target, precision, head, _ = FILES[case]
    return open_artifact(export_tiny(target, precision, head), threads=1)


class TestContract:
    def test_attributes_of_described_file_come_from_the_file(
        self, runtime: Runtime, case: str
    ) -> None:
        target, precision, head, _ = FILES[case]
        assert NAMES[target] in runtime.name
        assert runtime.size_hw == SIZE_HW
        assert runtime.description is not None
        assert runtime.description.classes == CLASSES
        assert (runtime.description.precision, runtime.description.head) == (precision, head)

    def test_logits_equal_those_of_torch(self, runtime: Runtime, case: str, sample: Sample) -> None:
        logits = runtime.logits(sample.images)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, sample.logits, atol=FILES[case][3])

    def test_predict_is_the_argmax_of_the_logits(self, runtime: Runtime, sample: Sample) -> None:
        ids = runtime.predict(sample.images)
        assert ids.dtype == np.uint8
        assert len(np.unique(ids)) > 1, "a constant map would prove nothing"
        np.testing.assert_array_equal(ids, runtime.logits(sample.images).argmax(axis=1))

    def test_predict_of_no_images_is_empty(self, runtime: Runtime, sample: Sample) -> None:
        assert runtime.predict(sample.images[:0]).shape == (0, *SIZE_HW)
        with pytest.raises(DataError, match="at least 1"):
            runtime.logits(sample.images[:0])

    def test_predict_does_not_depend_on_earlier_images(
        self, runtime: Runtime, sample: Sample
    ) -> None:
        first, second = sample.images[:1], sample.images[1:]
        alone = runtime.predict(second)
        runtime.predict(first)
        np.testing.assert_array_equal(runtime.predict(second), alone)

    @pytest.mark.parametrize("method", ["predict", "logits", "time_once"])
    def test_images_of_wrong_size_are_refused_with_both_shapes(
        self, runtime: Runtime, method: str
    ) -> None:
        images = np.zeros((1, 16, 16, 3), np.uint8)
        with pytest.raises(DataError, match=r"\(1, 16, 16, 3\).*\(N, 32, 48, 3\) uint8"):
            getattr(runtime, method)(images)

    def test_float_images_are_refused(self, runtime: Runtime, sample: Sample) -> None:
        with pytest.raises(DataError, match="float32"):
            runtime.predict(sample.images.astype(np.float32))  # type: ignore[arg-type]

    def test_time_once_gives_seconds_with_and_without_a_picture(
        self, runtime: Runtime, sample: Sample
    ) -> None:
        assert runtime.time_once() > 0
        assert runtime.time_once(sample.images[:1]) > 0
