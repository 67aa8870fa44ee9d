"""`edge-deeplab check --fix`, `--mac-script` and `--merge`, on tiny files of the formats they are about."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.checker.tflite.operator_signatures import read_signatures
from edge_deeplab.cli.check import check
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.manifest import content_sha256

HERE = Path(__file__).parent


@pytest.fixture
def run():
    """Return a function that runs the command."""
    app = typer.Typer()
    app.command()(check)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def high_path(tmp_path, tiny):
    """A TFLite file whose one operator has a version that it does not need."""
    builder = tiny.TFLiteBuilder()
    ends = [builder.tensor(name, (1, 4, 4, 8)) for name in ("image", "result")]
    size = builder.tensor("pads", (4, 2), "INT32", data=np.zeros((4, 2), np.int32))
    builder.add("PAD", [ends[0], size], ends[1:], version=2)
    return builder.save(tmp_path / "high.tflite", ends[:1], ends[1:])


def test_check_shows_version_findings(run, high_path):
    result = run(high_path)
    assert result.exit_code == 0
    for text in ("check --fix mends them", "PAD x1", "too high", "tflite-coreml takes it up to"):
        assert text in " ".join(result.stdout.split())


def test_check_fix_writes_a_copy_and_tells_its_proof(run, high_path):
    result = run(high_path, "--fix")
    assert result.exit_code == 0
    copy = high_path.with_name("high.fixed.tflite")
    assert [signature.version for signature in read_signatures(copy)] == [1]
    told = "1 operators have another version, outputs equal in every bit on 3 inputs"
    assert f"{copy}: {told}" in result.stdout


def test_check_fix_json_is_in_the_files_entry(run, high_path, tmp_path):
    copy = tmp_path / "mended.tflite"
    result = run(high_path, "--fix", "--output", copy, "--json")
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert artifact["fix"] == {"path": str(copy), "operators": 1, "inputs": 3}
    assert artifact["version_findings"][0]["lowest"] == 1
    again = json.loads(run(copy, "--fix", "--json").stdout)["artifacts"][0]
    assert again["fix"] == {"path": None, "operators": 0, "inputs": 0}


def test_check_fix_of_a_file_that_needs_none_says_so(run, tflite_path, tmp_path):
    result = run(tflite_path, "--fix")
    assert "nothing was written" in result.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.tflite"]


def test_check_fix_without_proof_ends_with_code_1(run, high_path, monkeypatch):
    from edge_deeplab.checker.tflite import fix as tflite_fix

    def ask_once(*_, **__):
        raise ArtifactError("no bits")

    monkeypatch.setattr(tflite_fix, "ask_once", ask_once)
    result = run(high_path, "--fix", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["artifacts"][0]["error"].endswith("no bits")
    assert result.stderr.count("error: ") == 1
    assert not high_path.with_name("high.fixed.tflite").exists()
    assert "not mended" in run(high_path, "--fix").stdout


def test_check_fix_without_a_tflite_file_is_an_error(run, onnx_path):
    result = run(onnx_path, "--fix")
    assert result.exit_code == 1
    assert "fix came without a .tflite file" in result.stderr


def test_check_fix_of_an_unreadable_file_tells_what_is_wrong_with_it(run, tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    result = run(tmp_path / "bad.tflite", "--fix")
    assert result.exit_code == 1
    assert "a TFLite flatbuffer was expected" in result.stderr
    assert result.stderr.count("error: ") == 1


def test_check_fix_of_several_files_takes_no_single_output(run, high_path, tflite_path, tmp_path):
    result = run(high_path, tflite_path, "--fix", "--output", tmp_path / "x.tflite")
    assert result.exit_code == 1
    assert "an output came with 2 .tflite files" in result.stderr
    assert not (tmp_path / "x.tflite").exists()


def test_check_output_without_fix_is_an_error(run, high_path, tmp_path):
    result = run(high_path, "--output", tmp_path / "x.tflite")
    assert result.exit_code == 1
    assert "an output came without fix" in result.stderr


def test_check_mac_script_writes_it_and_tells_how_to_run_it(run, mlpackage_path, tmp_path):
    result = run(mlpackage_path, "--mac-script", tmp_path / "ask.py")
    assert result.exit_code == 0
    assert "python ask.py tiny.mlpackage [IMAGE ...]" in result.stdout
    assert content_sha256(mlpackage_path) in (tmp_path / "ask.py").read_text()
    as_json = run(mlpackage_path, "--mac-script", tmp_path / "ask.py", "--json")
    assert json.loads(as_json.stdout)["mac_script"] == str(tmp_path / "ask.py")


@pytest.mark.parametrize("name", ["a b", "$(touch gone)", "x;reboot;", "it's", "-c"])
def test_check_mac_script_command_names_its_files_whatever_they_are_called(
    run, mlpackage_path, tmp_path, name
):
    package = mlpackage_path.rename(tmp_path / f"{name}.mlpackage")
    result = run(package, "--mac-script", tmp_path / f"{name}.py")
    assert result.exit_code == 0
    command = result.stdout.split("and run: ")[1].removesuffix(" [IMAGE ...]\n")
    python, *files = shlex.split(command)
    assert python == "python"
    assert [Path(file).name for file in files] == [f"{name}.py", f"{name}.mlpackage"]
    assert not any(file.startswith("-") for file in files)
    assert shlex.join([python, *files]) == command


@pytest.mark.parametrize("option", ["--mac-script", "--merge"])
def test_check_of_several_packages_cannot_ask_one_mac(run, mlpackage_path, option, tmp_path):
    result = run(mlpackage_path, mlpackage_path, option, tmp_path / "x")
    assert result.exit_code == 1
    assert "one package at a time" in " ".join(result.stderr.split())


def test_check_merge_shows_observed_verdicts(run, mlpackage_path, tmp_path):
    document = json.loads((HERE / "mac_result.json").read_text())
    document["package"]["sha256"] = content_sha256(mlpackage_path)
    document["machine"]["chip"] = "Apple [/red] M2"
    (tmp_path / "r.json").write_text(json.dumps(document))
    result = run(mlpackage_path, "--merge", tmp_path / "r.json")
    assert result.exit_code == 0
    assert "1 ok, 0 slow, 2 fallback, 0 rejected" in result.stdout
    assert "observed on Apple [/red] M2" in result.stdout
    as_json = run(mlpackage_path, "--merge", tmp_path / "r.json", "--json")
    (artifact,) = json.loads(as_json.stdout)["artifacts"]
    assert [v["rule"] for v in artifact["profiles"][0]["verdicts"]] == ["observed"] * 3


def test_check_merge_of_an_absent_result_says_what_it_should_be(run, mlpackage_path, tmp_path):
    result = run(mlpackage_path, "--merge", tmp_path / "absent.json")
    assert result.exit_code == 1
    assert "the result JSON of the Mac's script was expected" in result.stderr


def test_check_merge_of_another_packages_result_is_one_sentence(run, mlpackage_path):
    result = run(mlpackage_path, "--merge", HERE / "mac_result.json")
    assert result.exit_code == 1
    assert "the result of this package was expected" in result.stderr
    assert result.stderr.count("\n") == 1


def test_check_says_which_file_no_profile_judged(run, onnx_path, mlpackage_path):
    result = run(onnx_path, mlpackage_path, "--profile", "onnx-cpu")
    assert result.exit_code == 0
    assert "not judged: none of the profiles named reads coreml files" in result.stdout
