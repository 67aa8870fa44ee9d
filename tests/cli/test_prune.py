"""`edge-deeplab prune` on the command line, and the commands that take its checkpoint."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.models.checkpoint import load_checkpoint
from edge_deeplab.targets import STABLE
from tests.slow import or_slow

runner = CliRunner()


def prune(checkpoint: Path, data: Path, *options: str) -> list[str]:
    return ["prune", str(checkpoint), "--data", str(data), "--epochs", "0", *options]


@pytest.mark.parametrize("target", ["onnx", or_slow("all", False)])
def test_pruned_checkpoint_is_told_exported_and_evaluated(
    target: str, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "pruned"
    options = ["--macs", "0.5", "--importance", "magnitude", "--output", str(run), "--json"]
    result = runner.invoke(app, prune(checkpoint, data, *options))
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["checkpoint"] == str(run / "best.safetensors")
    before, after = document["multiply_adds"]
    assert document["budgets"]["macs"] == {"asked": 0.5, "met": after / before}
    export = ["export", str(run), "--target", target, "--output", str(tmp_path / "files"), "--json"]
    result = runner.invoke(app, export)
    assert result.exit_code == 0, result.stderr
    artifacts = json.loads(result.stdout)["artifacts"]
    assert {a["target"] for a in artifacts} == ({*STABLE} if target == "all" else {target})
    parity = ["parity", *(a["path"] for a in artifacts), "--reference", str(run)]
    result = runner.invoke(app, [*parity, "--data", str(data), "--split", "val", "--json"])
    assert result.exit_code == 0, result.stderr
    assert all(a["pixel_agreement"] > 0.99 for a in json.loads(result.stdout)["artifacts"])


@pytest.mark.parametrize(
    ("options", "sentence", "code"),
    [
        (["--macs", "1.5"], "pruning.macs came as 1.5", 2),
        (["--macs", "0"], "pruning.macs came as 0", 2),
        (["--params", "0.001"], "params budget of 0.001 cannot be met", 1),
        ([], "no budget came", 1),
        (["--macs", "0.5", "--importance", "luck"], "pruning.importance came as 'luck'", 2),
        (["--macs", "0.5", "--runtime", "onnx"], "--runtime came without a latency budget", 1),
        (["--macs", "0.5", "--rounds", "2"], "2 rounds came with 0 epochs", 1),
        (["--macs", "0.5", "--resume"], "resume came with 0 epochs", 1),
        (
            ["--resume", "--sensitivity"],
            "--resume: it came with --sensitivity, which would ignore",
            2,
        ),
        (["--sparsity", "2:5000"], "no layer has them", 1),
        (["--sparsity", "half"], "sparsity 'half' came", 2),
    ],
)
def test_bad_input_is_one_sentence(
    options: list[str], sentence: str, code: int, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "pruned"
    options = ["--importance", "random", *options, "--output", str(output), "--json"]
    result = runner.invoke(app, prune(checkpoint, data, *options))
    assert result.exit_code == code
    assert sentence in json.loads(result.stdout)["error"]
    assert not output.exists()


def test_missing_training_split_is_one_sentence(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    (data / "train").rename(data / "other")
    options = ["--macs", "0.5", "--output", str(tmp_path / "pruned")]
    result = runner.invoke(app, prune(checkpoint, data, *options))
    assert result.exit_code == 1
    assert "has no split 'train'" in result.stderr
    assert load_checkpoint(checkpoint).info.pruning is None
