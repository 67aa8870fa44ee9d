"""Third-party converters: what they print stays off the result, what they raise becomes one sentence."""

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
