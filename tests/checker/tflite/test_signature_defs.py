"""Signatures that do not fit their graph: what the lint says, and that LiteRT's CompiledModel refuses just those."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.checker.tflite.signature_defs import lint_signatures
from edge_deeplab.cli.check import check

IMAGE, BETWEEN, RESULT, ABSENT = 0, 1, 2, 9
ENDS = [("image", IMAGE)], [("result", RESULT)]
RUN = """
import sys
from ai_edge_litert.compiled_model import CompiledModel
model = CompiledModel.from_file(sys.argv[1])
model.run_by_index(0, model.create_input_buffers(0), model.create_output_buffers(0))
"""
BROKEN = {
    "old-input": (([("image", BETWEEN)], ENDS[1]), "input 'image' is tensor 1, which is no input"),
    "old-output": (
        (ENDS[0], [("result", BETWEEN)]),
        "output 'result' is tensor 1, which is no output",
    ),
    "absent-tensor": (
        ([("image", ABSENT)], ENDS[1]),
        "input 'image' is tensor 9, which is no input",
    ),
    "input-without-name": (([], ENDS[1]), "the graph's input, tensor 0, has 0 names"),
    "two-names": (
        ([*ENDS[0], ("again", IMAGE)], ENDS[1]),
        "the graph's input, tensor 0, has 2 names",
    ),
    "further-input": (([*ENDS[0], ("more", BETWEEN)], ENDS[1]), "input 'more' is tensor 1"),
    "empty-name": (([(None, IMAGE)], ENDS[1]), "the input that is tensor 0 has no name"),
    "no-key": ((*ENDS, None), "it has no key"),
    "absent-subgraph": ((*ENDS, "main", 5), "it is about subgraph 5, and the file has 1"),
}


@pytest.fixture
def write(tiny, tmp_path):
    """Return a function that writes a file of two operators with the signatures that are given."""

    def written(*signatures):
        builder = tiny.TFLiteBuilder()
        image, between, result = (builder.tensor(n, (1, 4, 4, 8)) for n in ("a", "b", "c"))
        assert (image, between, result) == (IMAGE, BETWEEN, RESULT)
        builder.add("RELU", [image], [between])
        builder.add("RELU6", [between], [result])
        for signature in signatures:
            builder.sign(*signature)
        return builder.save(tmp_path / "signed.tflite", [image], [result])

    return written


def runs_in_compiled_model(path):
    finished = subprocess.run([sys.executable, "-P", "-c", RUN, str(path)], capture_output=True)
    return finished.returncode == 0


@pytest.mark.parametrize("signatures", [[], [ENDS], [ENDS, (*ENDS, "other")]])
def test_lint_signatures_that_fit_are_silent_and_the_compiled_model_runs(write, signatures):
    path = write(*signatures)
    assert lint_signatures(path) == ()
    assert runs_in_compiled_model(path)


@pytest.mark.parametrize(("signature", "told"), BROKEN.values(), ids=BROKEN)
def test_lint_signature_that_does_not_fit_is_found_and_the_compiled_model_refuses(
    write, signature, told
):
    path = write(signature)
    problems = [finding.problem for finding in lint_signatures(path)]
    assert any(told in problem for problem in problems)
    assert not runs_in_compiled_model(path)


def test_lint_signatures_only_the_broken_one_of_two_is_named(write):
    path = write(ENDS, ([("image", BETWEEN)], ENDS[1], "second"))
    assert {finding.signature for finding in lint_signatures(path)} == {"second"}


def test_check_artifact_tells_of_a_signature_in_json(write):
    document = check_artifact(write(([("image", BETWEEN)], ENDS[1]))).to_json()
    first, second = json.loads(json.dumps(document["signature_findings"]))
    assert (first["signature"], first["subgraph"]) == ("serving_default", 0)
    assert first["problem"].startswith("input 'image' is tensor 1")
    assert second["problem"] == "the graph's input, tensor 0, has 0 names, not one"
    assert "CompiledModel" in first["consequence"]


def test_check_shows_one_line_for_a_signature_of_a_stranger(write):
    app = typer.Typer()
    app.command()(check)
    names = [(f"[link=evil]{index}\x1b[2J", BETWEEN) for index in range(6)]
    result = CliRunner().invoke(app, [str(write((names, ENDS[1], "[/red]\x07key")))])
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert "signature '[/red]\\x07key': input '[link=evil]0\\x1b[2J' is tensor 1" in told
    assert "and 3 more; LiteRT's CompiledModel" in told
    assert "\x1b[2J" not in result.stdout
