"""ONNX Runtime's sessions on this machine's processor, which are to give exact integer products everywhere.

The idea to hold: x86 processors without VNNI multiply uint8 activations by int8 weights in pairs whose sum is cut at 16
bits, so that the same file gives other numbers there. ONNX Runtime computes exactly where it is asked to. Whether
this processor cuts is tried, not read from its flags.
"""

from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from edge_deeplab.errors import require

PRECISE = "session.x64quantprecision"
"""The setting that asks for exact products; it costs time where the processor would cut them, and elsewhere nothing."""

_PAIR = (
    b"\x08\x08\x12\x00:V\n\x18\n\x01a\n\x01b\x12\x01c"
    b'"\rMatMulInteger\x12\x01g*\r\x08\x02\x08\x01\x10\x03B\x01bJ\x02\x7f\x7f'
    b"Z\x13\n\x01a\x12\x0e\n\x0c\x08\x02\x12\x08\n\x02\x08\x01\n\x02\x08\x02"
    b"b\x13\n\x01c\x12\x0e\n\x0c\x08\x06\x12\x08\n\x02\x08\x01\n\x02\x08\x01B\x04\n\x00\x10\r"
)
"""A model, "a" (1, 2) uint8 by [127, 127] int8: with 255 twice a sum of 64,770, which 16 bits do not hold."""


@cache
def cuts_products() -> bool:
    """Whether this processor's int8 products are cut at 16 bits unless ONNX Runtime is asked for exact ones."""
    session = _open(_PAIR, threads=1, precise=False)
    (sums,) = session.run(None, {"a": np.full((1, 2), 255, np.uint8)})
    return bool(sums[0, 0] != 2 * 255 * 127)


def open_session(model: str | bytes, threads: int) -> Any:
    """Return ONNX Runtime's session of a file, or of its bytes, on the CPU; raises what ONNX Runtime raises.

    Its integer products are exact, but for files of others that ONNX Runtime (1.31) cannot open that way: it fails
    where convolutions share a weight, or weights a zero point.
    """
    if cuts_products():
        with suppress(Exception):  # raised again below, where the file is what it fails at
            return _open(model, threads, precise=True)
    return _open(model, threads, precise=False)


def runtime_name(session: Any) -> str:
    """Return name and version of what runs a session, and where this processor matters, how it multiplies."""
    onnxruntime: Any = require("onnxruntime", package="onnxruntime", extra="onnx")
    name = f"onnxruntime {onnxruntime.__version__}"
    if not cuts_products():
        return name
    return f"{name}, {'exact' if is_precise(session) else '16-bit'} int8"


def is_precise(session: Any) -> bool:
    """Whether a session was opened with exact products asked for."""
    try:
        return bool(session.get_session_options().get_session_config_entry(PRECISE) == "1")
    except RuntimeError:  # an entry that was never set
        return False


def _open(model: str | bytes, threads: int, *, precise: bool) -> Any:
    onnxruntime: Any = require("onnxruntime", package="onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; they are raised as well
    # Idle threads would otherwise go on spinning and slow down what runs next, in bench another runtime.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if precise:
        options.add_session_config_entry(PRECISE, "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
