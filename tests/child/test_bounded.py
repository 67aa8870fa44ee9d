"""A bounded child: what it is asked it answers, and whatever becomes of it is one sentence that names the file."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_deeplab.child.bounded import BoundedChild, ask_once
from edge_deeplab.child.limits import CPU_S, MEMORY_BYTES, Allowance, Limits
from edge_deeplab.errors import (
    ChildError,
    ConfigError,
    MissingDependencyError,
    UnsupportedOperatorError,
)

HERE = Path(__file__).resolve().parent
LIMITS = Limits(memory_bytes=1 << 29, cpu_s=1, wall_s=60.0)
Start = Callable[..., BoundedChild]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that starts a child which serves `behaviours`."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    started: list[BoundedChild] = []

    def start_child(limits: Limits = LIMITS, **arguments: Any) -> BoundedChild:
        child = BoundedChild("behaviours", subject="some.tflite", limits=limits, **arguments)
        started.append(child)
        return child

    yield start_child
    for child in started:
        child.close()


def ending_of(child: BoundedChild, request: str, /, **values: Any) -> str:
    """Return what is said to have become of a child that does not survive a request."""
    with pytest.raises(ChildError) as raised:
        child.ask(request, **values)
    sentence = str(raised.value)
    assert sentence.startswith("some.tflite was given to a process of its own, and it")
    assert "\n" not in sentence
    return raised.value.ending


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        np.zeros((0, 4), np.int64),
        np.array(7, np.uint8),
        np.arange(8, dtype=np.float16).reshape(2, 4).T,
        np.array([True, False]),
        np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8),
    ],
    ids=["float32", "empty", "scalar", "transposed", "bool", "larger than a pipe"],
)
def test_ask_arrays_come_back_as_they_went(start: Start, value: Any) -> None:
    answer = start().ask("echo", value=value, other={"text": "ü", "list": [1, None]})
    assert answer["value"].dtype == value.dtype
    np.testing.assert_array_equal(answer["value"], value)
    assert answer["other"] == {"text": "ü", "list": [1, None]}


def test_ask_what_the_child_prints_does_not_reach_the_answer(start: Start) -> None:
    child = start()
    assert child.ask("print") == {"read": ""}
    assert child.ask("echo", value=1) == {"value": 1}


def test_child_imports_nothing_from_the_working_directory(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('hostile code ran')")
    answer = start().ask("modules")
    assert str(tmp_path) not in answer["path"]
    assert "" not in answer["path"]
    assert answer["environment"]["PYTHONSAFEPATH"] == "1", "grandchildren are to keep to it"


def test_crash_is_named_by_its_signal(start: Start) -> None:
    assert ending_of(start(), "crash") == "it was ended by SIGSEGV (Segmentation fault)"


def test_child_that_was_lost_answers_every_later_request_with_the_same_error(start: Start) -> None:
    child = start()
    assert child.ask("echo", value=1) == {"value": 1}
    first = ending_of(child, "crash")
    assert ending_of(child, "echo", value=2) == first


def test_child_killed_between_two_requests_is_an_error_of_the_next(start: Start) -> None:
    child = start()
    child.ask("echo", value=1)
    child._process.kill()
    child._process.wait()
    assert (
        ending_of(child, "echo", value=np.zeros(10_000_000)) == "it was ended by SIGKILL (Killed)"
    )


def test_temporary_files_of_a_child_that_crashed_are_removed(start: Start) -> None:
    child = start()
    left = Path(child.ask("scratch")["path"])
    assert left.is_dir()
    ending_of(child, "crash")
    assert not left.exists()
    assert not left.parent.exists()


def test_machine_without_room_for_temporary_files_is_told(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(ChildError, match="it could not be started: No such file"):
        start()


def test_exit_code_and_last_words_are_told(start: Start) -> None:
    assert ending_of(start(), "exit") == "it ended with code 3: last words"


def test_module_that_is_not_there_is_told(start: Start) -> None:
    child = BoundedChild("no_such_module", subject="some.tflite", limits=LIMITS)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in ending_of(child, "echo")


def test_python_that_cannot_be_started_is_told(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ChildError, match="it could not be started: No such file"):
        start()


def test_memory_beyond_the_limit_is_refused_and_told(start: Start) -> None:
    before = time.monotonic()
    assert ending_of(start(), "hog").startswith("it asked for more memory than the 0.5 GiB")
    assert time.monotonic() - before < 5


def test_memory_within_the_limit_is_given(start: Start) -> None:
    slow_machine = replace(LIMITS, cpu_s=20)
    assert start(slow_machine).ask("hog", gib=0.4) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of processor time")
def test_endless_computing_ends_by_processor_time(start: Start) -> None:
    assert ending_of(start(), "spin") == "it took more than 1 s of processor time"


def test_processor_time_is_counted_for_each_request_anew(start: Start) -> None:
    child = start()
    for _ in range(4):
        assert child.ask("spin", seconds=0.7) == {}


def test_waiting_ends_by_the_clock(start: Start) -> None:
    child = start(Limits(memory_bytes=1 << 29, cpu_s=1, wall_s=1.0))
    assert ending_of(child, "wait") == "it gave no answer in 1 s"


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "{}",
        "[]",
        "[" * 100_000,
        '{"kind": "answer", "values": [], "arrays": [[]]}',
        '{"kind": "answer", "values": {}, "arrays": [{"name": "a", "dtype": "O", "shape": [1]}]}',
        '{"kind": "answer", "values": {}, "arrays": [{"name": "a", "dtype": "<f4", "shape": [-1]}]}',
        '{"kind": "answer", "values": {}, "arrays": [{"name": "a", "dtype": "<f4", "shape": [99999999999]}]}',
        '{"kind": "error", "values": {"type": "KeyboardInterrupt", "message": "", "data": {}}, "arrays": []}',
        '{"kind": "error", "values": {"type": "require", "message": "", "data": {}}, "arrays": []}',
        '{"kind": "else", "values": {}, "arrays": []}',
    ],
)
def test_answer_that_is_none_is_an_error_and_nothing_is_made_of_it(start: Start, line: str) -> None:
    assert ending_of(start(), "garbage", line=line).startswith("its answer cannot be read: ")


def test_errors_of_this_package_keep_class_message_and_data(start: Start) -> None:
    child = start()
    with pytest.raises(UnsupportedOperatorError, match="this evaluator does not support") as raised:
        child.ask("unsupported")
    assert raised.value.operators == ("erf", "gelu")
    assert child.ask("echo", value=1) == {"value": 1}, "the child is none the worse for it"


def test_service_that_cannot_start_tells_why(start: Start) -> None:
    with pytest.raises(MissingDependencyError, match=r"edge-deeplab\[some\]") as raised:
        start(refuses=True).ask("echo")
    assert raised.value.package == "some-runtime"


@pytest.mark.parametrize(("request_", "told"), [("fail", "IndexError"), ("text", "no numbers")])
def test_other_errors_are_told_by_name(start: Start, request_: str, told: str) -> None:
    assert told in ending_of(start(), request_)


def test_ctrl_c_does_not_reach_the_child(start: Start) -> None:
    assert start().ask("interrupt") == {"alive": True}


def test_child_ends_with_the_object_that_holds_it(start: Start, monkeypatch: Any) -> None:
    child = BoundedChild("behaviours", subject="some.tflite", limits=LIMITS)
    child.ask("echo")
    process = child._process
    del child
    gc.collect()
    assert process.returncode == -signal.SIGKILL


def test_ask_once_leaves_no_process(start: Start) -> None:
    assert ask_once("behaviours", "echo", subject="a", limits=LIMITS, value=1) == {"value": 1}


def test_child_ends_and_leaves_nothing_when_its_parent_is_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = (
        "import os, sys; from edge_deeplab.child.bounded import BoundedChild\n"
        "from edge_deeplab.child.limits import Limits\n"
        "child = BoundedChild('behaviours', subject='a', limits=Limits(1 << 29, 9, 60.0))\n"
        "child.ask('echo'); print(child._process.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL
    wait_until_gone(int(run.stdout))
    assert list(tmp_path.iterdir()) == []


def wait_until_gone(process_id: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process_id} is still there")


@pytest.mark.parametrize(
    ("size", "threads", "runs", "seconds"),
    [(1000, 1, 1, CPU_S), (1000, 4, 1, 4 * CPU_S), (1000, 1, 8, 8 * CPU_S), (1 << 28, 1, 1, 135)],
)
def test_limits_grow_with_the_file_and_what_is_done_with_it(
    size: int, threads: int, runs: int, seconds: int
) -> None:
    limits = Limits.for_file(size, threads=threads, runs=runs)
    assert limits.cpu_s == seconds
    assert limits.memory_bytes == MEMORY_BYTES + 8 * size + threads * (1 << 24)
    assert limits.wall_s >= 120


def test_limits_a_users_allowance_holds_instead() -> None:
    limits = Limits.for_file(1 << 28, allowance=Allowance(memory_bytes=1 << 33, cpu_s=500.0))
    assert (limits.memory_bytes - (1 << 24), limits.cpu_s) == (1 << 33, 500)


def test_allowance_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="memory limit of 0"):
        Allowance(memory_bytes=0)
