"""`edge-deeplab check` on tiny ONNX files, which need no measuring, and on stood-in reports of TFLite files."""

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
import typer
from onnx import helper, numpy_helper
from rich.console import Console
from typer.testing import CliRunner

from edge_deeplab.checker import report as report_module
from edge_deeplab.checker.judging import judge
from edge_deeplab.checker.observing import Observation
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.cli import check_tables
from edge_deeplab.cli.check import check
from edge_deeplab.errors import OutputError
from edge_deeplab.formats.onnx import read_onnx
from edge_deeplab.runtimes.observers.optimized_onnx import OnnxRuntime
from edge_deeplab.runtimes.observers.xnnpack import Xnnpack


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(check)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def write_onnx(name, *, rate=6, kind="Conv"):
    """Write a file with one depthwise convolution, or with one operator of another kind."""
    conv = {"group": 8, "dilations": [rate] * 2, "pads": [rate] * 4} if kind == "Conv" else {}
    weight = numpy_helper.from_array(np.ones((8, 1, 3, 3), np.float32), "head.0.weight")
    image = helper.make_tensor_value_info("image", 1, (1, 8, 16, 16))
    output = helper.make_tensor_value_info("out", 1, None)
    node = helper.make_node(kind, ["image", "head.0.weight"], ["out"], name="first", **conv)
    graph = helper.make_graph([node], "g", [image], [output], [weight])
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with Path(name).open("wb") as file:
        file.write(model.SerializeToString())


def test_check_json_is_one_document_with_the_promised_keys(run):
    write_onnx("a.onnx")
    result = run("a.onnx", "--json")
    assert result.exit_code == 0
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert (artifact["path"], artifact["format"]) == ("a.onnx", "onnx")
    assert artifact["operators"] == [{"operator": "Conv", "version": 11, "count": 1}]
    assert artifact["dilated_depthwise"][0]["module"] == "head.0"
    assert artifact["dilated_depthwise"][0]["rate"] == [6, 6]
    (profile,) = artifact["profiles"]
    assert profile["profile"] == "onnx-cpu"
    assert profile["verdicts"][0]["verdict"] == "slow"
    assert profile["verdicts"][0]["rule"] == "onnx-cpu.dilated-depthwise"


def test_check_table_shows_operators_rates_and_what_is_not_ok(run):
    write_onnx("a.onnx")
    result = run("a.onnx")
    assert result.exit_code == 0
    for text in (
        "1 operators: Conv v11 x1",
        "head.0",
        "6x6",
        "3x3",
        "0 ok, 1 slow",
        "MlasConvPrepare",
    ):
        assert text in result.stdout


def test_check_table_of_a_file_that_is_all_ok_has_no_rows(run):
    write_onnx("a.onnx", rate=1)
    result = run("a.onnx")
    assert "1 ok, 0 slow, 0 fallback, 0 rejected" in result.stdout
    assert "dilated depthwise" not in result.stdout
    assert "what mends it" not in result.stdout


def test_check_rejected_operator_ends_with_code_1(run):
    write_onnx("a.onnx", kind="NoSuchThing")
    result = run("a.onnx")
    assert result.exit_code == 1
    assert "no operator NoSuchThing" in " ".join(result.stdout.split())


def test_check_unreadable_file_is_told_and_the_others_are_reported(run, tmp_path):
    write_onnx("good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xff")
    result = run("bad.onnx", "good.onnx", "absent.onnx", "--json")
    assert result.exit_code == 1
    bad, good, absent = json.loads(result.stdout)["artifacts"]
    assert "an ONNX model was expected" in bad["error"]
    assert bad["profiles"] == []
    assert good["profiles"][0]["verdicts"]
    assert "No such file" in absent["error"]
    assert result.stderr.count("error: ") == 2


def test_check_writes_junit_in_which_rejected_and_unreadable_files_fail(run, tmp_path):
    write_onnx("good.onnx")
    write_onnx("odd.onnx", kind="NoSuchThing")
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xff")
    result = run("good.onnx", "odd.onnx", "bad.onnx", "--junit", "check.xml", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["artifacts"]) == 3
    good, odd, bad = ElementTree.parse(tmp_path / "check.xml").getroot()[0]
    assert (good.get("classname"), good[-1].tag) == ("check.onnx-cpu", "system-out")
    assert odd[-1].get("message") == "onnx-cpu rejects 1 operators; none was expected"
    assert "no operator NoSuchThing" in odd[-1].text
    assert bad[-1].tag == "error"


def fail_to_write(*_):
    raise OutputError("check.xml cannot be written (No space left on device)")


def test_check_tells_its_report_where_the_junit_file_cannot_be_written(run, monkeypatch):
    monkeypatch.setattr("edge_deeplab.files.write_atomically", fail_to_write)
    write_onnx("a.onnx")
    result = run("a.onnx", "--junit", "check.xml", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["path"] == "a.onnx"
    assert document["error"] == "check.xml cannot be written (No space left on device)"
    assert f"error: {document['error']}" in result.stderr
    shown = run("a.onnx", "--junit", "check.xml")
    assert shown.exit_code == 1
    assert "Conv v11" in shown.stdout


def test_check_junit_beside_what_takes_the_reports_place_is_refused(run):
    write_onnx("a.onnx")
    result = run("a.onnx", "a.onnx", "--same-quantization", "--junit", "check.xml")
    assert result.exit_code == 2
    assert "--junit: it came with --same-quantization" in result.stderr


def test_check_unknown_profile_lists_the_choices(run):
    write_onnx("a.onnx")
    result = run("a.onnx", "--profile", "onnx-cpus")
    assert result.exit_code == 2
    assert "did you mean 'onnx-cpu'" in " ".join(result.stderr.replace("│", "").split())


def test_check_profile_of_no_given_file_is_an_error(run):
    write_onnx("a.onnx")
    result = run("a.onnx", "--profile", "coreml-ane-a14", "--json")
    assert result.exit_code == 1
    assert "about coreml files and none of that format came" in json.loads(result.stdout)["error"]


def test_check_folder_stands_for_the_files_of_its_manifest(run, tmp_path):
    (tmp_path / "exports").mkdir()
    write_onnx("exports/a.onnx")
    manifest = {"artifacts": [{"file": "a.onnx"}]}
    (tmp_path / "exports" / "manifest.json").write_text(json.dumps(manifest))
    result = run("exports", "--json")
    assert [a["path"] for a in json.loads(result.stdout)["artifacts"]] == ["exports/a.onnx"]


def write_tflite_graph(monkeypatch, **seen):
    """Let every TFLite file hold what a.onnx holds, and XNNPACK do as told."""
    from edge_deeplab.formats.onnx import read_onnx

    def read(path, size_hw=None):
        graph = read_onnx(path.with_suffix(".onnx"))
        return report_module.FileGraph(path, "tflite", {"schema": 3}, graph.operators, ("a note",))

    observation = Observation("XNNPACK", "litert 2", "arm64", **seen)
    monkeypatch.setattr(report_module, "read_graph", read)
    monkeypatch.setattr(Xnnpack, "observe", lambda self, path, profile: observation)
    monkeypatch.setattr(report_module, "lint_versions", lambda path, size_hw: ())
    monkeypatch.setattr(report_module, "lint_signatures", lambda path, size_hw: ())


def test_check_table_tells_what_xnnpack_took(run, monkeypatch):
    write_onnx("a.onnx")
    write_tflite_graph(monkeypatch, taken={}, left={0: ""}, partitions=0)
    result = run("a.tflite")
    assert (
        "XNNPACK (litert 2 on arm64) took 0 of 1 operators in 0 partitions; left: Conv first"
        in result.stdout
    )
    assert "note: a note" in result.stdout
    assert "tflite-xnnpack.operator" in result.stdout


def test_check_refused_tflite_ends_with_code_1(run, monkeypatch):
    write_onnx("a.onnx")
    write_tflite_graph(monkeypatch, taken={}, left={}, refusal="[odd] op 7")
    result = run("a.tflite")
    assert result.exit_code == 1
    assert "litert 2 on arm64 does not load it: [odd] op 7" in result.stdout


def test_check_names_do_not_steer_the_terminal(run, tmp_path):
    write_onnx("a.onnx")
    model = onnx.load("a.onnx")
    node = model.graph.node[0]
    node.name, node.input[1] = "\x1b[31mred", "\x1b]0;title\x07weight"
    model.graph.initializer[0].name = node.input[1]
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    result = run("a.onnx")
    assert "red" in result.stdout
    assert not {"\x1b", "\x07"} & set(result.stdout + result.stderr)


@pytest.mark.parametrize(
    ("width", "stanzas"), [(60, True), (109, True), (110, False), (160, False)]
)
def test_verdict_table_keeps_rule_ids_in_one_piece(tmp_path, monkeypatch, width, stanzas):
    monkeypatch.chdir(tmp_path)
    write_onnx("a.onnx", rate=1)
    graph = read_onnx(tmp_path / "a.onnx")
    (conv,) = graph.operators
    tall = replace(conv, convolution=replace(conv.convolution, kernel_hw=(5, 3)))
    report = judge(replace(graph, operators=(tall,)), load_profile("onnx-cpu"))
    console = Console(width=width, file=io.StringIO())
    console.print(check_tables.verdict_table(report, width))
    printed = console.file.getvalue()
    assert "onnx-cpu.depthwise-off-the-direct-kernel" in printed
    assert ("rule and source" not in printed) == stanzas
    assert max(map(len, printed.splitlines())) <= width
    for word in ("slow", "Conv", "head.0", "MlasConvPrepare"):
        assert word in printed


def test_check_many_layers_of_one_reason_share_a_row(run, tmp_path):
    write_onnx("a.onnx")
    model = onnx.load("a.onnx")
    for index in range(9):
        node = model.graph.node.add()
        node.CopyFrom(model.graph.node[0])
        node.output[0] = node.name = f"more_{index}"
        node.input[1] = f"layer.{index}.weight"
        stored = model.graph.initializer.add()
        stored.CopyFrom(model.graph.initializer[0])
        stored.name = f"layer.{index}.weight"
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    result = run("a.onnx")
    assert "Conv x10" in result.stdout
    assert "and 6 more" in result.stdout


def test_check_explain_prints_one_rule_in_full_without_a_file(run):
    result = run("--explain", "onnx-cpu.dilated-depthwise")
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    for text in ("onnx-cpu.dilated-depthwise", "slow", "Conv with", "MlasConvPrepare", "2026-"):
        assert text in told


def test_check_explain_json_is_one_document(run):
    result = run("--explain", "tflite-nnapi.dilated", "--json")
    document = json.loads(result.stdout)
    assert document["rule"] == "tflite-nnapi.dilated"
    assert document["profiles"] == ["tflite-nnapi-27", "tflite-nnapi-28"]


def test_check_explain_unknown_rule_is_one_sentence_with_near_ones(run):
    result = run("--explain", "onnx-cpu.dilated-depthwize")
    assert result.exit_code == 2
    assert "perhaps onnx-cpu.dilated-depthwise" in " ".join(result.stderr.replace("│", "").split())


def test_check_without_file_and_without_rule_is_a_usage_error(run):
    result = run()
    assert result.exit_code == 2
    assert "no ARTIFACT came" in " ".join(result.stderr.split())


def test_check_profiles_of_one_family_are_told_apart(run):
    write_onnx("a.onnx")
    result = run(
        "a.onnx",
        "--profile",
        "onnx-nnapi",
        "--profile",
        "onnx-qnn-v75",
        "--observe",
        "none",
        "--json",
    )
    (artifact,) = json.loads(result.stdout)["artifacts"]
    nnapi, qnn = artifact["profiles"]
    assert nnapi["verdicts"][0]["rule"] == "onnx-nnapi.dilated"
    assert qnn["verdicts"][0]["verdict"] == "slow"


@pytest.mark.parametrize(
    ("options", "ignored"),
    [
        (["--explain", "onnx-cpu.dilated-depthwise", "a.onnx"], "ARTIFACT"),
        (["--explain", "onnx-cpu.dilated-depthwise", "--fix"], "--fix"),
        (["--same-quantization", "a.onnx", "--profile", "onnx-cpu"], "--profile"),
        (["--mac-script", "m.py", "a.mlpackage", "--merge", "r.json"], "--merge"),
    ],
)
def test_check_option_that_would_be_ignored_is_an_error(run, options, ignored):
    result = run(*options)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert f"{ignored}: it came with {options[0]}, which would ignore it" in said


def test_check_folder_without_exports_beside_a_good_file_keeps_the_files_report(run):
    write_onnx("a.onnx")
    Path("empty").mkdir()
    result = run("a.onnx", "empty", "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["artifacts"]
    assert good["profiles"]
    assert bad["path"] == "empty"
    assert "empty is a folder without manifest.json" in bad["error"]


def test_check_json_has_what_was_observed_beside_each_profile(run):
    write_onnx("a.onnx")
    result = run("a.onnx", "--profile", "onnx-cpu", "--profile", "onnx-nnapi", "--json")
    cpu, nnapi = json.loads(result.stdout)["artifacts"][0]["profiles"]
    assert cpu["observed"]["tool"] == "ONNX Runtime"
    assert cpu["observed"]["version"].startswith("onnxruntime ")
    assert cpu["observed"]["equal"] is True
    assert {"taken", "left", "partitions"} <= set(cpu["observed"])
    assert nnapi["observed"] is None


def test_check_observe_none_asks_no_tool(run, monkeypatch):
    def observe(*_):
        raise AssertionError("it was asked")

    monkeypatch.setattr(OnnxRuntime, "observe", observe)
    write_onnx("a.onnx")
    result = run("a.onnx", "--observe", "none", "--json")
    assert result.exit_code == 0
    (artifact,) = json.loads(result.stdout)["artifacts"]
    assert artifact["profiles"][0]["observed"] is None
    assert "onnxruntime" not in artifact


def test_check_observe_all_fails_where_an_observer_is_missing_something(run, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "available", lambda self: "no runtime; install one")
    write_onnx("a.onnx")
    result = run("a.onnx", "--observe", "all")
    assert result.exit_code == 1
    assert "profile onnx-cpu was to be observed and cannot be: no runtime" in result.stderr
    assert run("a.onnx", "--observe", "all", "--profile", "onnx-nnapi").exit_code == 0
    assert run("a.onnx").exit_code == 0


def test_check_observe_unknown_way_lists_the_choices(run):
    result = run("a.onnx", "--observe", "some")
    assert result.exit_code == 2
    assert "auto, all, none" in " ".join(result.stderr.replace("│", "").split())
