"""`edge-deeplab lab`, where no tool is installed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.lab import environments
from edge_deeplab.lab.tools import TOOLS
from edge_deeplab.lab.trial import TRIAL_FILES

FILE = str(TRIAL_FILES["tflite"])


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv(environments.FOLDER_VARIABLE, str(tmp_path / "lab"))
    monkeypatch.setattr(environments, "find_driver", lambda: None)


def run(*arguments):
    return CliRunner().invoke(app, ["lab", *arguments])


def test_lab_without_tools_tells_what_rules_say_and_how_to_get_more(tmp_path):
    page = tmp_path / "page.html"
    done = run(FILE, "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "predicted" in done.stdout
    assert "--install vela" in done.stdout
    assert page.read_text().startswith("<!doctype html>")


def test_lab_json_has_the_keys_that_scripts_rely_on():
    done = run(FILE, "--json")
    document = json.loads(done.stdout)
    assert document["disagreements"] == 0
    keys = {
        "device", "path", "tool", "version", "evidence", "operators", "accelerated_macs", "left",
        "partitions", "cost", "agreement", "delta_miou", "delta_interval", "images",
        "predicted_equal", "error", "size_hw",
    }  # fmt: skip
    assert all(keys <= {*cell} for cell in document["devices"])
    assert {cell["device"] for cell in document["devices"]} >= {"ethos-u55-256", "litert-gpu"}


def test_lab_tells_its_matrix_where_the_page_fails(tmp_path, monkeypatch):
    def fail(report):
        raise OSError("disk full")

    monkeypatch.setattr("edge_deeplab.report.render.render", fail)
    done = run(FILE, "--html", str(tmp_path / "page.html"), "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["disagreements"] == 0
    assert document["error"].endswith("the result stands: OSError: disk full")
    assert done.stderr.splitlines()[-1] == f"error: {document['error']}"


def test_lab_of_a_named_device_without_its_tool_fails_its_cell():
    done = run(FILE, "--device", "ethos-u55-256", "--json")
    assert done.exit_code == 1
    assert "vela is not installed" in json.loads(done.stdout)["devices"][0]["error"]
    assert "failed: ethos-u55-256" in done.stderr


def test_lab_of_broken_files_names_each_once_and_shows_names_as_text(tmp_path):
    (tmp_path / "folder.tflite").mkdir()
    (tmp_path / "cut.tflite").write_bytes(Path(FILE).read_bytes()[:200])
    (tmp_path / "text\x1b[2J<b>.onnx").write_text("no model")
    page = tmp_path / "page.html"
    names = sorted(map(str, tmp_path.iterdir()))
    done = run(*names, str(tmp_path / "absent.onnx"), FILE, "--html", str(page))
    assert done.exit_code == 1
    failures = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert [
        sum(part in line for line in failures) for part in ("cut", "folder", "text", "absent")
    ] == [1] * 4
    assert "failed: ethos-u55-128, ethos-u55-256, " in done.stderr
    assert "tiny.tflite" in done.stdout
    for text in (done.output, page.read_text()):
        assert "\x1b" not in text
    assert "<b>" not in page.read_text()


def test_lab_of_a_folder_without_exports_says_what_was_expected(tmp_path):
    done = run(str(tmp_path))
    assert done.exit_code == 1
    assert "is a folder without manifest.json" in done.stderr


def test_lab_with_a_reference_and_no_data_is_refused():
    done = run(FILE, "--reference", "camvid-mobilenetv2")
    assert done.exit_code == 1
    assert "came without data" in done.stderr


def test_lab_tools_lists_each_with_its_terms_and_what_is_missing():
    done = run("--tools", "--json")
    tools = {tool["tool"]: tool for tool in json.loads(done.stdout)["tools"]}
    assert tools["qnn"]["must_accept"] is True
    assert tools["vela"]["state"] == "missing"
    assert "apt-get install chromium" in tools["litert-gpu"]["lack"]
    assert "Apache-2.0" in run("--tools").stdout
    assert json.loads(run("--tools", "--test", "--json").stdout) == {"tools": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no FILE came"),
        ((FILE, "--tools"), "FILE: it came with --tools, which would ignore it"),
        (
            ("--tools", "--install", "vela"),
            "--install: it came with --tools, which would ignore it",
        ),
        ((FILE, "--test"), "--test: it came without --tools"),
        ((FILE, "--accept-licence"), "--accept-licence: it came without --install"),
        ((FILE, "--limit", "3"), "--limit: it came without --data"),
        ((FILE, "--device", "ethos-u5-256"), "did you mean"),
        (("--install", "velo"), "unknown tool 'velo'"),
        (("--install", "vela", "quartus"), "unknown tool 'quartus'"),
        (("--install", "rknn"), "pass --accept-licence"),
    ],
)
def test_lab_refuses_what_cannot_be_meant(arguments, told, monkeypatch):
    monkeypatch.setattr(environments, "_unsupported", lambda tool: None)
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert told in " ".join(done.output.split())


@pytest.fixture
def waiting_vela(tmp_path):
    """Install a Vela that never answers; return the file that it makes once it was asked."""
    place, began = environments.environment_of(TOOLS["vela"]), tmp_path / "began"
    about = place / "lib" / "python3" / "site-packages" / "ethos_u_vela-5.2.0.dist-info"
    for folder in (about, place / "bin"):
        folder.mkdir(parents=True)
    package, _, version = TOOLS["vela"].pins[0].partition("==")
    text = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    (about / "METADATA").write_text(text)
    python = place / "bin" / "python"
    python.write_text(f"#!/bin/sh\ntouch '{began}'\nexec sleep 60\n")
    python.chmod(0o755)
    return began


def test_lab_stopped_exits_130_and_says_that_the_same_command_goes_on(waiting_vela):
    command = [sys.executable, "-m", "edge_deeplab", "lab", FILE, "--device", "ethos-u55-256"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not waiting_vela.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == b""
    assert stderr.endswith(b"finished cells are kept, and the same command goes on from there\n")
