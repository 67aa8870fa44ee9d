"""How a command ends: what is half written goes, however it is stopped."""

import os
import signal
from pathlib import Path

import pytest

from edge_deeplab.cli.output import ending_cleanly
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
