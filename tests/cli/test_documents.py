"""The one JSON document of a command, interrupted: all of it or none of it; real processes, real signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_terminal import write_onnx

WRITER = """
import sys
from edge_deeplab.cli.output import ending_cleanly, print_json
from edge_deeplab.cli.terminal import say
with ending_cleanly(as_json=True, debug=False):
    say("ready", err=True)
    print_json({"artifacts": ["x" * 100] * 20_000})
"""
"""Prints 2 MB, of which a pipe takes 64 kB before its reader must read."""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let processes that are started be interrupted, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(*command: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], stdout=pipe, stderr=pipe)


@pytest.mark.parametrize("buffered", [(), ("-u",)], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_document_that_is_being_written_when_a_signal_comes_is_whole(
    number: signal.Signals, buffered: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    process = start(*buffered, "-c", WRITER)
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    time.sleep(0.5)  # the pipe is full and the write waits
    process.send_signal(number)
    time.sleep(0.2)
    stdout, _ = process.communicate(timeout=60)
    assert len(json.loads(stdout)["artifacts"]) == 20_000
    assert process.returncode in (130, -signal.SIGINT), "a shell says 130 of both"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("interrupted") / "a.onnx"
    write_onnx(str(path))
    return path


def wait_until_caught(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Wait until a process has a handler for a signal: before that, it is the system that ends it."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.is_file():
        pytest.skip("this system does not tell which signals a process catches: /proc needed")
    while process.poll() is None:
        (caught,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", status.read_text())
        if int(caught, 16) >> (number - 1) & 1:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.2])
def test_command_that_is_interrupted_prints_a_whole_document_or_none(
    artifact: Path, number: signal.Signals, seconds: float
) -> None:
    process = start("-m", "edge_deeplab", "check", str(artifact), "--json")
    wait_until_caught(process, signal.SIGTERM)
    time.sleep(seconds)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert b"Traceback" not in stderr
    if stdout:
        assert "artifacts" in json.loads(stdout)
    else:
        assert process.returncode == 130


@pytest.mark.parametrize("arguments", [("--json",), ()], ids=["json", "table"])
def test_reader_that_goes_away_ends_the_command_without_a_word(arguments: tuple[str, ...]) -> None:
    process = start("-m", "edge_deeplab", "rewrites", *arguments)
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)
    assert stderr == b""
    assert process.returncode == 1


def test_full_disk_is_one_sentence_and_no_second_document() -> None:
    command = [sys.executable, "-m", "edge_deeplab", "rewrites", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be written to standard output (No space left on device)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_stdout_that_has_no_letters_for_a_name_gets_an_escape(artifact: Path) -> None:
    renamed = artifact.with_name("zürich-\u6771.onnx")
    renamed.write_bytes(artifact.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "edge_deeplab", "check", str(renamed)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "z\\xfcrich-\\u6771.onnx" in done.stdout


@pytest.mark.parametrize("arguments", [("--rounds", "0"), ("--nope",), ()])
def test_refused_command_line_with_json_is_one_document(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "edge_deeplab", "bench", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"] in done.stderr
