"""How a command ends: what is half written goes, however it is stopped."""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from edge_deeplab.cli.output import ending_cleanly, interruptible
from edge_deeplab.files import replace_when_complete


def write_half(path: Path) -> None:
    with ending_cleanly(as_json=False, debug=False), replace_when_complete(path) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)


def test_command_that_is_terminated_removes_what_is_half_written(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def import_and_wait() -> None:
    importlib.import_module("slow_native_package")
    time.sleep(5)


def fail_as_packages_do() -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error


def test_import_that_a_signal_meets_is_finished_before_the_command_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(0.2)\nloaded = 1\n"
    (tmp_path / "slow_native_package.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), interruptible():
        import_and_wait()
    assert sys.modules.pop("slow_native_package").loaded == 1


def test_failure_that_a_package_makes_of_an_interrupt_is_no_failure_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt), ending_cleanly(as_json=True, debug=False):
        fail_as_packages_do()
    assert capsys.readouterr().out == ""


def test_signal_that_the_program_was_started_to_ignore_is_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_cleanly(as_json=False, debug=False):
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
