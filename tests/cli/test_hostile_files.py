"""Commands, as processes of their own, on files that crash, stall or lie beside hostile modules."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile_files import (
    PICTURE,
    write_crash_when_opened,
    write_crash_when_run,
    write_endless,
    write_harmless,
)

COMMAND = (sys.executable, "-m", "edge_deeplab")
HOSTILE_MODULE = "open('executed', 'a').write(__name__)\nraise ImportError('hostile module')\n"
SIZE_HW = PICTURE[1:3]


def run(
    *arguments: object, folder: Path, launch: tuple[str, ...] = COMMAND
) -> subprocess.CompletedProcess[str]:
    command = [*launch, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture
def data(make_dataset: Callable[..., Path]) -> Path:
    return make_dataset("test", count=1, size_hw=SIZE_HW)


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    path = tmp_path / "map.toml"
    path.write_text('[map]\n0 = "left"\n1 = "right"\n')
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """A checkpoint of the data set's classes and the hostile files' size."""
    from edge_deeplab.description import ClassInfo, Normalisation
    from edge_deeplab.models.checkpoint import CheckpointInfo, save_checkpoint
    from edge_deeplab.models.deeplab import build_model
    from edge_deeplab.models.family import find_spec

    name = "deeplabv3plus_mobilenetv2_100"
    classes = (ClassInfo("left", (255, 0, 0)), ClassInfo("right", (0, 255, 0)))
    normalisation = Normalisation((127.0,) * 3, (128.0,) * 3)
    path = tmp_path / "reference.safetensors"
    save_checkpoint(
        path,
        build_model(name, 2),
        CheckpointInfo(find_spec(name), classes, 9, normalisation, (32, 32)),
    )
    return path


@pytest.mark.parametrize(
    "verb", [("check",), ("bench", "--rounds", "1"), ("parity", "--limit", "1")]
)
@pytest.mark.parametrize("options", [(), ("-P",)], ids=["", "by the children either"])
def test_modules_beside_a_strangers_file_are_not_executed(
    verb: tuple[str, ...], options: tuple[str, ...], tmp_path: Path
) -> None:
    write_harmless(tmp_path / "stranger.tflite")
    for name in ("json", "numpy", "signal", "subprocess", "typer", "onnxruntime", "flatbuffers"):
        (tmp_path / f"{name}.py").write_text(HOSTILE_MODULE)
    launch = (sys.executable, *options, "-m", "edge_deeplab")
    result = run(*verb, "stranger.tflite", folder=tmp_path, launch=launch)
    assert not (tmp_path / "executed").exists(), (tmp_path / "executed").read_text()
    assert "hostile module" not in result.stderr
    assert result.returncode == (1 if verb[0] == "parity" else 0), result.stderr  # no class map


def test_bench_times_the_others_when_files_crash(tmp_path: Path) -> None:
    write_crash_when_opened(tmp_path / "opened.tflite")
    write_crash_when_run(tmp_path / "run.tflite")
    write_harmless(tmp_path / "good.tflite")
    files = ("opened.tflite", "run.tflite", "good.tflite")
    result = run("bench", *files, "--rounds", 2, "--threads", 1, "--json", folder=tmp_path)
    assert result.returncode == 1
    opened, crashed, good = json.loads(result.stdout)["artifacts"]
    assert "SIGSEGV" in opened["error"]
    assert "SIGSEGV" in crashed["error"]
    assert good["latency_ms"]["median"] > 0
    assert good["ratio_to_first"] == 1.0
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == ["failed", "failed"]


def test_parity_measures_the_others_when_files_crash(
    tmp_path: Path, data: Path, class_map: Path, reference: Path
) -> None:
    write_crash_when_opened(tmp_path / "opened.tflite")
    write_crash_when_run(tmp_path / "run.tflite")
    write_harmless(tmp_path / "good.tflite")
    files = ("opened.tflite", "run.tflite", "good.tflite")
    options = ("--data", data, "--class-map", class_map, "--reference", reference)
    pixels = ("--normalisation", "0/1", "--max-drop", 100)
    result = run("parity", *files, *options, *pixels, "--json", folder=tmp_path)
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    opened, crashed, good = document["artifacts"]
    assert "SIGSEGV" in opened["error"]
    assert "SIGSEGV" in crashed["error"]
    assert (good["error"], good["miou"] is not None) == (None, True)
    assert document["images"] == 1


def test_evaluate_of_a_file_that_crashes_is_one_sentence(
    tmp_path: Path, data: Path, class_map: Path
) -> None:
    path = write_crash_when_run(tmp_path / "crash.tflite")
    options = ("--data", data, "--class-map", class_map, "--normalisation", "0/1")
    result = run("evaluate", path, *options, folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert "ended by SIGSEGV" in result.stderr


def test_demo_of_a_file_that_crashes_is_one_sentence(tmp_path: Path, data: Path) -> None:
    path = write_crash_when_opened(tmp_path / "crash.tflite")
    images = data / "test" / "images"
    result = run("demo", "--artifact", path, "--source", images, "--headless", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert "ended by SIGSEGV" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_bench_stopped_while_a_file_computes_exits_130_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_endless(tmp_path / "endless.tflite")
    options = ("--threads", "1", "--time-limit", "60", "--json")
    process = subprocess.Popen(
        [*COMMAND, "bench", "endless.tflite", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = wait_for_busy_child(process.pid)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert not is_there(child)


def wait_for_busy_child(parent: int) -> int:
    """Return the child of a process, once it has computed for a second."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        listed = subprocess.run(
            ["ps", "-o", "pid=,times=", "--ppid", str(parent)], capture_output=True, text=True
        )
        for line in listed.stdout.splitlines():
            process_id, seconds = map(int, line.split())
            if seconds >= 1:
                return process_id
        time.sleep(0.1)
    raise AssertionError("no child computes")


def is_there(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
