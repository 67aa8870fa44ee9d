"""The reference runtime: the same promises as the files', and the papers' evaluation protocols."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edge_deeplab.errors import CheckpointError, ConfigError, DataError
from edge_deeplab.evaluation.reference import open_reference
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.models.views import Views
from edge_deeplab.runtimes import open_artifact
from edge_deeplab.runtimes.torch import TorchRuntime
from tests.runtimes.conftest import NORMALISATION, SIZE_HW


def run_model(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8], output_stride: int = 16
) -> npt.NDArray[np.float32]:
    """The logits by hand."""
    normalised = (images - np.array(NORMALISATION.mean)) / np.array(NORMALISATION.std)
    model = checkpoint.build(output_stride=output_stride)
    with torch.no_grad():
        logits = model(torch.from_numpy(normalised).permute(0, 3, 1, 2).float())
    return logits.numpy()  # type: ignore[no-any-return]


def test_logits_are_the_models_own(checkpoint: Checkpoint, images: npt.NDArray[np.uint8]) -> None:
    runtime = TorchRuntime(checkpoint)
    expected = run_model(checkpoint, images)
    np.testing.assert_allclose(runtime.logits(images), expected, atol=1e-4)
    np.testing.assert_array_equal(runtime.predict(images), runtime.logits(images).argmax(axis=1))


def test_open_artifact_of_checkpoint_describes_it(checkpoint: Checkpoint) -> None:
    runtime = open_artifact(checkpoint.path, threads=1)
    assert runtime.name == f"torch {torch.__version__}"
    assert runtime.description is not None
    assert runtime.description.checkpoint == "small"
    assert runtime.description.checkpoint_sha256 == checkpoint.sha256
    assert [c.name for c in runtime.description.classes] == ["a", "b", "c"]


def test_open_artifact_of_truncated_checkpoint_raises(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(checkpoint.path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        open_artifact(path)


def test_output_stride_changes_the_network_and_not_the_weights(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    runtime = TorchRuntime(checkpoint, output_stride=8)
    np.testing.assert_allclose(runtime.logits(images), run_model(checkpoint, images, 8), atol=1e-4)
    assert np.abs(runtime.logits(images) - run_model(checkpoint, images)).max() > 1e-2


def test_flip_of_mirrored_picture_gives_mirrored_probabilities(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    runtime = TorchRuntime(checkpoint, views=Views(flip=True))
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    np.testing.assert_allclose(
        runtime.logits(mirrored), runtime.logits(images)[..., ::-1], atol=1e-5
    )


def test_scales_average_class_probabilities(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    single = [TorchRuntime(checkpoint, views=Views((s, s))).logits(images) for s in (1.0, 2.0)]
    both = TorchRuntime(checkpoint, views=Views((1.0, 2.0))).logits(images)
    np.testing.assert_allclose(both, np.mean(single, axis=0), atol=1e-5)
    np.testing.assert_allclose(both.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(single[0] - single[1]).max() > 1e-3


def test_maximum_takes_the_highest_logit_of_any_view(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(ConfigError, match="came with one view"):
        Views(fuse="maximum")
    single = [
        TorchRuntime(checkpoint, views=Views((s, s), fuse="maximum")).logits(images)
        for s in (1.0, 2.0)
    ]
    np.testing.assert_allclose(single[0], run_model(checkpoint, images), atol=1e-4)
    both = TorchRuntime(checkpoint, views=Views((1.0, 2.0), fuse="maximum")).logits(images)
    np.testing.assert_allclose(both, np.maximum(*single), atol=1e-5)


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-1.0,), (float("nan"),)])
def test_scales_that_cannot_be_meant_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Views(scales)


def test_size_hw_overrides_the_checkpoints(checkpoint: Checkpoint) -> None:
    runtime = TorchRuntime(checkpoint, size_hw=(64, 32))
    assert runtime.predict(np.zeros((1, 64, 32, 3), np.uint8)).shape == (1, 64, 32)
    with pytest.raises(DataError, match=r"\(N, 64, 32, 3\)"):
        runtime.predict(np.zeros((1, *SIZE_HW, 3), np.uint8))


def test_threads_are_put_back_after_a_run(
    checkpoint: Checkpoint, images: npt.NDArray[np.uint8]
) -> None:
    before = torch.get_num_threads()
    runtime = TorchRuntime(checkpoint, threads=before + 1)
    assert runtime.time_once(images[:1]) > 0
    assert torch.get_num_threads() == before
    assert torch.is_grad_enabled()


def test_reference_that_is_loaded_is_taken_as_it_is(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Its tensors may be others than its file's, or there may be no file that can be read again."""
    changed = {**checkpoint.tensors, "classifier.bias": checkpoint.tensors["classifier.bias"] + 5}
    loaded = replace(checkpoint, tensors=changed, path=tmp_path / "absent.safetensors")
    images = np.zeros((1, *checkpoint.info.size_hw, 3), np.uint8)
    before = open_reference(checkpoint, checkpoint.info.size_hw).logits(images)
    after = open_reference(loaded, checkpoint.info.size_hw).logits(images)
    np.testing.assert_allclose(after, before + 5, rtol=1e-4)
