"""`edge-deeplab export` and `doctor` as a user meets them."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from edge_deeplab import targets
from edge_deeplab.cli.app import app
from edge_deeplab.converters import export
from edge_deeplab.converters.capture import CanonicalGraph
from edge_deeplab.description import Description
from edge_deeplab.errors import ConversionError, MissingDependencyError
from edge_deeplab.evaluation import doctor
from edge_deeplab.extras import WHEELS, Computer
from edge_deeplab.formats.read import read_graph
from edge_deeplab.targets import TARGETS
from edge_deeplab.versions import TESTED, installed_versions
from tests.compress.conftest import save_tiny_checkpoint

runner = CliRunner()


@pytest.fixture(scope="module")
def checkpoint(shallow: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    return save_tiny_checkpoint(path, shallow, (64, 64)).path


@pytest.fixture
def only_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the fastest of the targets."""
    monkeypatch.setattr(targets, "TARGETS", {"onnx": targets.TARGETS["onnx"]})


def test_export_json_is_one_document_with_the_promised_keys(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(checkpoint), "--target", "onnx", "--output", str(tmp_path), "--json"]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    (artifact,) = json.loads(result.stdout)["artifacts"]
    path = Path(artifact["path"])
    assert path == tmp_path / "tiny-fp32.onnx"
    assert artifact["bytes"] == path.stat().st_size
    assert (artifact["target"], artifact["precision"]) == ("onnx", "fp32")
    assert artifact["size_hw"] == [64, 64]
    assert set(artifact["operators"]) == {"ok", "slow", "fallback", "rejected"}
    assert sum(artifact["operators"].values()) == len(read_graph(path).operators) > 60
    assert capfd.readouterr().out == ""  # nothing printed past the result, by C++ either


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--target", "onxn"], "did you mean 'onnx'", 2),
        (["--precision", "int8"], "quantize it first", 1),
        (["--head", "mask"], "choose one of: exact, fast, logits, quarter-logits, classes", 2),
        (["--atrous", "dilated"], "choose one of: native, zero-insert, deinterlace, auto", 2),
        (["--size", "65x97", "--target", "onnx"], "use 64x96", 2),
        (["--size", "65x97", "--any-size", "--head", "fast"], "or head exact", 1),
        (["--profile", "tflite-gpu", "--target", "onnx"], "add the target tflite", 1),
        (["--profile", "onnx-qnn-v68", "--target", "onnx"], "expected; export --precision int8", 1),
        (["--profile", "rknn-rk3588", "--target", "onnx"], "expected; export --precision int8", 1),
        (["--profile", "ethos-u55-256", "--target", "tflite"], "expected; export --precision", 1),
        (["--profile", "tflite-cpu", "--target", "tflite"], "did you mean 'tflite-gpu'", 2),
    ],
)
def test_export_refusal_is_one_sentence_and_says_by_its_code_whose_fault_it_is(
    checkpoint: Path, tmp_path: Path, arguments: list[str], message: str, code: int
) -> None:
    result = runner.invoke(app, ["export", str(checkpoint), "--output", str(tmp_path), *arguments])
    assert result.exit_code == code
    assert message in result.stderr
    assert "capturing" not in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_export_to_a_place_that_cannot_be_written_says_so(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    output = tmp_path / "file" / "exports"
    arguments = ["export", str(checkpoint), "--target", "onnx", "--output", str(output)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "choose another output" in result.stderr
    assert (tmp_path / "file").read_text() == "in the way"


def test_export_for_core_mls_backend_of_executorch_hands_it_the_network(
    checkpoint: Path, tmp_path: Path
) -> None:
    if len(installed_versions("executorch", "coremltools")) < 2:
        pytest.skip("executorch or coremltools is not installed")
    named = ["--target", "executorch", "--backend", "coreml", "--output", str(tmp_path), "--json"]
    result = runner.invoke(app, ["export", str(checkpoint), *named])
    assert result.exit_code == 0, result.stderr
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert "CoreMLBackend" in [o.type for o in read_graph(Path(artifact["path"])).operators]
    assert artifact["operators"]["rejected"] == 0


@pytest.mark.usefixtures("only_onnx")
def test_doctor_finds_a_working_target_ok() -> None:
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    (finding,) = document["targets"]
    assert finding["state"] == "ok"
    assert finding["limits"] is None
    limits = doctor.Finding("executorch", "missing", "not installed").to_json()["limits"]
    assert limits["python"] == ["3.10", "3.14"]
    assert limits["installable_here"] is WHEELS["executorch"].take(Computer.this())
    assert "onnxruntime" in finding["detail"]
    assert document["versions"]["torch"] == {
        "installed": torch.__version__.partition("+")[0],
        "tested": TESTED["torch"],
    }


@pytest.mark.parametrize(
    ("error", "state", "exit_code"),
    [
        (MissingDependencyError("onnxscript", "onnx"), "missing", 0),
        (ConversionError("torch.onnx failed"), "failed", 1),
    ],
)
def test_doctor_tells_missing_from_failed(
    monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, exit_code: int
) -> None:
    def write(graph: CanonicalGraph, description: Description, path: Path) -> None:
        raise error

    monkeypatch.setattr(export, "write_target", write)
    graph = CanonicalGraph(None, "logits", doctor.SIZE_HW)  # type: ignore[arg-type]
    monkeypatch.setattr("edge_deeplab.converters.capture.capture", lambda *arguments: graph)
    result = runner.invoke(app, ["doctor"])
    assert result.exit_code == exit_code
    assert f"onnx       {state}" in result.stdout
    assert str(error) in result.stdout
    shown = " ".join(result.stdout.split())
    assert (
        "coreai, a preview: coreai-core 1.0.0b3 has wheels for Python 3.11 to 3.14 on Linux"
        in shown
    )


def test_tested_versions_are_the_pinned_ones_of_every_target() -> None:
    needed = {package for target in TARGETS.values() for package in target.packages}
    assert needed <= set(TESTED)
    pinned = (Path(__file__).resolve().parents[2] / "constraints.txt").read_text().splitlines()
    assert {f"{package}=={number}" for package, number in TESTED.items()} <= set(pinned)
    assert installed_versions("torch", "no-such-package") == {
        "torch": torch.__version__.partition("+")[0]
    }


def test_export_for_a_profile_rewrites_what_its_rules_mend_and_the_manifest_says_why(
    checkpoint: Path, tmp_path: Path
) -> None:
    arguments = ["export", str(checkpoint), "--target", "onnx", "--profile", "onnx-cpu", "--json"]
    result = runner.invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["artifacts"]
    assert {request["reason"] for request in entry["rewrites"]} == {"onnx-cpu.dilated-depthwise"}
    rewritten = {module for request in entry["rewrites"] for module in request["modules"]}
    assert {
        choice["module"] for choice in entry["atrous"] if choice["form"] != "native"
    } == rewritten
    report = runner.invoke(
        app, ["check", json.loads(result.stdout)["artifacts"][0]["path"], "--json"]
    )
    verdicts = json.loads(report.stdout)["artifacts"][0]["profiles"][0]["verdicts"]
    assert "onnx-cpu.dilated-depthwise" not in {verdict["rule"] for verdict in verdicts}
