"""Third-party converters: what they print stays off the result, what they raise becomes one sentence."""

import io
import logging
import os
import sys
import warnings

import pytest

from edge_deeplab.converters.noise import calling, quietly
from edge_deeplab.errors import ConversionError, MissingDependencyError


def test_quietly_sends_python_and_native_output_to_the_debug_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "edge_deeplab.converters.noise"), quietly():
        sys.stdout.write("from Python\n")
        sys.stderr.write("a bar\n")
        os.write(1, b"from C++\n")
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == ["from Python", "a bar", "from C++"]


def test_quietly_keeps_what_handlers_of_libraries_write_from_a_notebook(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a handler keeps the stream that stood for stderr, and in a notebook that is no descriptor."""
    cell = io.StringIO()
    library = logging.getLogger("some_library")
    handler = logging.StreamHandler(cell)
    monkeypatch.setattr(library, "handlers", [handler])
    monkeypatch.setattr(library, "propagate", False)
    monkeypatch.setattr(library, "level", logging.WARNING)  # as torch sets its own
    with caplog.at_level(logging.DEBUG, "edge_deeplab.converters.noise"), quietly():
        library.warning("inside")
    library.warning("after")
    assert cell.getvalue() == "after\n"
    assert caplog.messages == ["inside"]


def test_quietly_lets_a_library_log_to_a_stream_that_was_closed_before(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that a library made while stderr was captured keeps the captor's stream, which is closed afterwards."""
    captured = io.StringIO()
    handler = logging.StreamHandler(captured)
    captured.close()
    library = logging.getLogger("some_library")
    monkeypatch.setattr(library, "handlers", [handler])
    monkeypatch.setattr(library, "level", logging.WARNING)  # as torch sets its own
    with caplog.at_level(logging.DEBUG, "edge_deeplab.converters.noise"), quietly():
        library.warning("inside")
    assert "inside" in caplog.messages
    assert handler.stream is captured


def test_quietly_turns_off_the_progress_that_goes_past_stdout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = pytest.importorskip("litert_torch.progress").config
    monkeypatch.delenv("LITERT_TORCH_SHOW_PROGRESS", raising=False)
    with quietly():
        assert not config.show_progress
    assert config.show_progress
    assert "LITERT_TORCH_SHOW_PROGRESS" not in os.environ


def test_quietly_gives_stdout_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def convert() -> None:
        with quietly():
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        convert()
    os.write(1, b"result\n")
    sys.stderr.write("error\n")
    assert capfd.readouterr() == ("result\n", "error\n")


def test_quietly_ignores_warnings_inside_only() -> None:
    with quietly():
        warnings.warn("old torch", FutureWarning, stacklevel=1)
    with pytest.warns(FutureWarning, match="ours"):
        warnings.warn("ours", FutureWarning, stacklevel=1)


def test_calling_turns_a_third_party_error_into_one_line() -> None:
    def convert() -> None:
        with calling("litert-torch", "TFLite"):
            raise RuntimeError("Lowering not found: aten.fancy\nmodule {\n  lots of MLIR\n}")

    with pytest.raises(ConversionError, match=r"litert-torch failed.*aten\.fancy") as caught:
        convert()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    "error", [OSError(28, "disk full"), MissingDependencyError("onnx", "onnx")]
)
def test_calling_lets_full_disks_and_own_errors_pass(error: Exception) -> None:
    def convert() -> None:
        with calling("coremltools", "Core ML"):
            raise error

    with pytest.raises(type(error)) as caught:
        convert()
    assert caught.value is error
