"""`edge-deeplab qat` and what follows it on the command line: int8 export and the comparison of files."""

import json
from pathlib import Path

import onnx
import pytest
from torch import nn
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.models.checkpoint import load_checkpoint
from edge_deeplab.quantization import sensitivity
from edge_deeplab.training.state import TrainingState
from tests.slow import or_slow

runner = CliRunner()


@pytest.fixture(scope="module")
def quantized(trained: Path) -> Path:
    data, output = trained.parent.with_name("data"), trained.parent.with_name("quantized")
    arguments = ["qat", str(trained), "--data", str(data), "--output", str(output)]
    result = runner.invoke(app, [*arguments, "--epochs", "0", "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {"checkpoint": str(output / "best.safetensors")}
    return output / "best.safetensors"


@pytest.fixture(scope="module")
def files(quantized: Path) -> list[str]:
    """The paths of its ONNX and Core ML files."""
    exports = quantized.parent.with_name("exports")
    arguments = ["export", str(quantized), "--target", "onnx", "--target", "coreml"]
    result = runner.invoke(app, [*arguments, "--output", str(exports), "--json"])
    assert result.exit_code == 0, result.stderr
    artifacts = json.loads(result.stdout)["artifacts"]
    assert [a["precision"] for a in artifacts] == ["int8", "int8"]
    return [a["path"] for a in artifacts]


def test_files_of_a_quantized_checkpoint_carry_the_same_numbers(
    quantized: Path, files: list[str]
) -> None:
    result = runner.invoke(app, ["check", "--same-quantization", *files, "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["identical"]
    best = load_checkpoint(quantized)
    convolutions = sum(isinstance(module, nn.Conv2d) for module in best.build().modules())
    assert document["weights"] == convolutions + 1, "the convolution that normalises is one more"
    assert best.quantization is not None
    tensors = sum(len(quantizer.tensors) for quantizer in best.quantization.activations)
    assert document["activations"] == tensors + 1
    assert document["biases"] == document["weights"]
    assert [file["path"] for file in document["stored"]] == files
    assert [file["bias_type"] for file in document["stored"]] == ["float32", "float16"]
    assert document["stored"][0]["weight_integers"] == document["stored"][1]["weight_integers"]
    assert document["rounded"]["scales"] == 0, "scales are exact in half precision"
    assert document["rounded"]["biases"] > 0
    result = runner.invoke(app, ["check", "--same-quantization", *files])
    assert result.exit_code == 0, result.stderr
    assert (
        f"does not store integers and scales of {document['weights']} biases, which are float16"
        in result.stdout
    )
    assert "identical in 2 files" in result.stdout


def test_onnx_with_a_changed_zero_point_or_scale_is_not_identical(
    files: list[str], tmp_path: Path
) -> None:
    whole, _ = files
    for slot, change in ((2, 9), (1, 2)):
        model = onnx.load(whole)
        node = next(n for n in model.graph.node if "dequantize_per_channel" in n.name)
        tensor = next(t for t in model.graph.initializer if t.name == node.input[slot])
        numbers = onnx.numpy_helper.to_array(tensor).copy()
        numbers[0] = change if slot == 2 else numbers[0] * change
        tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))
        changed = tmp_path / "changed.onnx"
        changed.write_bytes(model.SerializeToString())
        result = runner.invoke(app, ["check", "--same-quantization", whole, str(changed)])
        assert result.exit_code == 1
        assert "differences:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--estimator", "entropy"], "input should be 'min-max'", 2),
        (["--keep-float", "neck"], "'neck', which is of no module", 1),
        (["--recipe", "missing.toml"], "does not exist", 1),
    ],
)
def test_qat_refusal_is_one_sentence_and_says_by_its_code_whose_fault_it_is(
    checkpoint: Path, data: Path, tmp_path: Path, arguments: list[str], message: str, code: int
) -> None:
    output = tmp_path / "run"
    command = ["qat", str(checkpoint), "--data", str(data), "--output", str(output), *arguments]
    result = runner.invoke(app, command)
    assert result.exit_code == code
    assert message in result.stderr
    assert not output.exists()


def test_quantized_checkpoints_are_exported_to_int8_and_not_quantized_again(
    quantized: Path, data: Path, tmp_path: Path
) -> None:
    result = runner.invoke(
        app, ["export", str(quantized), "--precision", "fp16", "--target", "onnx"]
    )
    assert result.exit_code == 1
    assert "int8 was expected" in result.stderr
    command = ["qat", str(quantized), "--data", str(data), "--output", str(tmp_path / "again")]
    result = runner.invoke(app, command)
    assert result.exit_code == 1
    assert "quantized already" in result.stderr


def test_export_calibrates_a_float_checkpoint_without_training(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    command = ["export", str(checkpoint), "--precision", "int8", "--target", "onnx"]
    result = runner.invoke(
        app, [*command, "--calibrate", str(data), "--output", str(tmp_path / "exports"), "--json"]
    )
    assert result.exit_code == 0, result.stderr
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert artifact["precision"] == "int8"
    assert load_checkpoint(checkpoint).quantization is None


@pytest.mark.parametrize("precision", ["w4", or_slow("w6", False)])
def test_palettes_are_core_mls(precision: str, checkpoint: Path, tmp_path: Path) -> None:
    command = ["export", str(checkpoint), "--precision", precision, "--output", str(tmp_path / "e")]
    result = runner.invoke(app, [*command, "--target", "onnx"])
    assert result.exit_code == 1
    assert "choose coreml" in result.stderr
    result = runner.invoke(app, [*command, "--target", "coreml", "--json"])
    assert result.exit_code == 0, result.stderr
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert artifact["bytes"] < 4_000_000


def test_comparison_needs_two_quantized_files(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not onnx")
    result = runner.invoke(app, ["check", "--same-quantization", str(tmp_path / "a.onnx")])
    assert result.exit_code == 1
    assert "two or more were expected" in result.stderr


def test_sensitivity_ranks_and_does_not_train(
    checkpoint: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = sensitivity.single_quantizers
    monkeypatch.setattr(sensitivity, "single_quantizers", lambda given: every(given)[::40])
    output = tmp_path / "run"
    command = ["qat", str(checkpoint), "--data", str(data), "--output", str(output)]
    result = runner.invoke(app, [*command, "--sensitivity", "--json"])
    assert result.exit_code == 0, result.stderr
    ranked = json.loads(result.stdout)["sensitivity"]
    assert [layer["snr_db"] for layer in ranked] == sorted(layer["snr_db"] for layer in ranked)
    assert json.loads((output / "sensitivity.json").read_text())["sensitivity"] == ranked
    assert not (output / "best.safetensors").exists()


def test_stopped_run_says_how_to_go_on(
    checkpoint: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[optimiser]\nbatch_size = 2\n[quantization]\ncalibration_images = 2\n")
    output = tmp_path / "run"
    command = ["qat", str(checkpoint), "--data", str(data), "--output", str(output)]
    command += ["--recipe", str(recipe), "--epochs", "2", "--workers", "0"]
    save = TrainingState.save

    def stopped(state: TrainingState, path: Path, identity: str) -> None:
        save(state, path, identity)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", stopped)
        result = runner.invoke(app, command)
    assert result.exit_code != 0
    assert "the same command with --resume goes on" in result.stderr
    result = runner.invoke(app, [*command, "--resume"])
    assert result.exit_code == 0, result.stderr
    assert "epoch 2/2: loss " in result.stderr
    assert "epoch 1/2" not in result.stderr
