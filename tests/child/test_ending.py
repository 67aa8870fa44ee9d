"""The end of what a process printed, as a sentence quotes it."""

import pytest

from edge_deeplab.child.ending import last_line

REMARK = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        (f"ERROR: tensor 7 is out of range\n{REMARK}\n\n", "ERROR: tensor 7 is out of range"),
        (f"{REMARK}\n", "no message"),
        ("", "no message"),
        ("I0000 00:00:1764300000.123 1 cpu.cc:31] oneDNN is on\nfailed\n", "failed"),
        ("bad shape\n2026-11-28 14:00:00.1 [I:onnxruntime:, a.cc:1] kept\n", "bad shape"),
        ("INFORMATION is missing\n", "INFORMATION is missing"),
        ("W0000 00:00:1764300000.123 1 a.cc:1] no device\n", "W0000 00:00:1764300000.123 1 a.cc:1] no device"),
        ("a\x1b[31mb\n", "a\ufffd[31mb"),
    ],
)  # fmt: skip
def test_last_line_passes_over_what_runtimes_remark_and_hides_no_warning(
    said: str, quoted: str
) -> None:
    assert last_line(said) == quoted
