"""Sparse weights: which ones go, and what a Core ML file makes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.converters.export import export_checkpoint
from edge_deeplab.converters.request import ExportRequest
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import ConfigError
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.quantization.sparsity import sparsify
from edge_deeplab.runtimes.torch import TorchRuntime
from edge_deeplab.sparsity_pattern import Sparsity, parse_sparsity
from tests.opening import open_here


@pytest.fixture(scope="module")
def checkpoint(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A seeded network of random weights."""
    torch.manual_seed(0)
    classes = tuple(ClassInfo(name, (i, i, i)) for i, name in enumerate("abc"))
    normalisation = Normalisation((127.0,) * 3, (128.0,) * 3)
    info = CheckpointInfo(find_spec(shallow), classes, None, normalisation, (32, 48))
    path = tmp_path_factory.mktemp("checkpoint") / "street.safetensors"
    save_checkpoint(path, build_model(shallow, len(classes)), info)
    return load_checkpoint(path)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("0.5", Sparsity(0.5)), ("0.75", Sparsity(0.75)), ("2:4", Sparsity(0.5, 4))],
)
def test_pattern_is_read_and_written_alike(text: str, pattern: Sparsity) -> None:
    assert parse_sparsity(text) == pattern
    assert str(pattern) == text


@pytest.mark.parametrize(
    "text", ["", "0", "1", "-0.5", "nan", "half", "4:4", "0:4", "2:0", "5:4", "2:x"]
)
def test_pattern_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write for example 0\.5 or 2:4"):
        parse_sparsity(text)


def test_smallest_weights_of_each_layer_go(checkpoint: Checkpoint) -> None:
    sparse = sparsify(checkpoint, Sparsity(0.75))
    for name, weight in sparse.tensors.items():
        before = checkpoint.tensors[name]
        if weight.ndim == 4 and weight.shape[1] > 1 and weight.numel() >= 2048:
            gone = weight == 0
            assert gone.float().mean().item() == pytest.approx(0.75, abs=1 / weight.numel())
            assert before[gone].abs().max() <= before[~gone].abs().min()
            assert torch.equal(weight[~gone], before[~gone])
        else:
            assert torch.equal(weight, before), name
    assert sparse.info.sparsity == "0.75"
    assert sparse.sha256 == checkpoint.sha256
    assert checkpoint.info.sparsity is None


def test_of_every_four_neighbours_two_stay(checkpoint: Checkpoint) -> None:
    sparse = sparsify(checkpoint, parse_sparsity("2:4"))
    changed = 0
    for name, weight in sparse.tensors.items():
        if torch.equal(weight, checkpoint.tensors[name]):
            continue
        changed += 1
        groups = weight.movedim(1, -1).reshape(-1, 4)
        before = checkpoint.tensors[name].movedim(1, -1).reshape(-1, 4).abs()
        assert ((groups == 0).sum(1) == 2).all()
        assert torch.equal(groups.abs().sum(1), before.sort(1).values[:, 2:].sum(1))
    assert changed == 17


def test_core_ml_leaves_zeros_out_and_computes_the_same(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    sparse = sparsify(checkpoint, Sparsity(0.5))
    request = ExportRequest(["coreml"], "fp32", head="logits", output=tmp_path)
    (artifact,) = export_checkpoint(sparse, request)
    assert open_here(artifact.path).description.provenance["sparsity"] == "0.5"
    weights = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    assert artifact.bytes < 0.65 * 4 * weights  # dense: four bytes a weight
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3), np.uint8)
    logits = open_here(artifact.path).logits(image)
    expected = TorchRuntime(sparse).logits(image)
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected).max()


def test_other_targets_are_warned_of_and_quantized_checkpoints_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    command = ["export", "camvid-efficientnet-lite0-int8", "--output", str(tmp_path / "e")]
    result = CliRunner().invoke(app, [*command, "--sparsity", "0.5"])
    assert result.exit_code == 1
    assert "warning: sparse weights make tflite and onnx files neither smaller" in result.stderr
    assert "a float one was expected" in result.stderr
    command = ["export", str(checkpoint.path), "--output", str(tmp_path / "e")]
    options = ["--target", "coreml", "--precision", "w6", "--sparsity", "0.5"]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 1
    assert "fp32 or fp16 was expected" in result.stderr
    assert not (tmp_path / "e").exists()
