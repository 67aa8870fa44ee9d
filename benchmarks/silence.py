"""How long each command leaves a person in the dark: the longest gap in what it writes to a terminal.

    python benchmarks/silence.py --data camvid

Every command runs under a pseudo-terminal on few images; what stands on the screen when the longest gap begins is told
beside it, because a stage that cannot report must at least have been named.
"""

import argparse
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_COLUMNS = 60


@dataclass(frozen=True)
class Silence:
    """The longest gap of one command.

    Args:
        seconds: that nothing was written.
        shown: the last line that stood there.
        whole_s: seconds that the command took.
        code: how it ended.
    """

    seconds: float
    shown: str
    whole_s: float
    code: int


def commands(data: Path, folder: Path) -> Mapping[str, Sequence[str]]:
    """Return what is run, in an order in which each finds what it needs."""
    few = folder / "few.toml"
    few.write_text("[optimiser]\nepochs = 2\nbatch_size = 4\n[data]\nrepeat = 1\n")
    chain = folder / "chain.toml"
    chain.write_text(
        '[qat.optimiser]\nepochs = 0\n[export]\ntargets = ["tflite"]\n[parity]\nlimit = 8\n[bench]\nrounds = 5\n'
    )
    on, exports = ["--data", str(data)], str(folder / "exports")
    return {
        "models": ["models"],
        "doctor": ["doctor"],
        "evaluate": ["evaluate", *on, "--limit", "20"],
        "export": ["export", "--target", "all", "--output", exports],
        "export --calibrate": [
            *("export", "camvid-efficientnet-lite0", "--calibrate", str(data)),
            *("--target", "onnx", "--output", str(folder / "calibrated")),
        ],
        "check": ["check", exports],
        "parity": ["parity", exports, *on, "--limit", "10"],
        "parity --explain": ["parity", exports, *on, "--limit", "2", "--explain"],
        "bench": ["bench", exports, "--rounds", "20"],
        "train": ["train", *on, "--recipe", str(few), "--output", str(folder / "train")],
        "prune": [
            *("prune", *on, "--recipe", str(few), "--macs", "0.7"),
            *("--output", str(folder / "prune")),
        ],
        "qat": ["qat", *on, "--recipe", str(few), "--output", str(folder / "qat")],
        "compress": [
            *("compress", *on, "--recipe", str(chain), "--output", str(folder / "compress")),
        ],
    }


def watch(arguments: Sequence[str]) -> Silence:
    """Run a command under a pseudo-terminal and return its longest gap."""
    ours, theirs = pty.openpty()
    started = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "edge_deeplab", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(theirs)
    longest, shown, said_at, line = 0.0, "", started, "(nothing yet)"
    for text in _written(ours):
        now = time.monotonic()
        if now - said_at > longest:
            longest, shown = now - said_at, line
        said_at, line = now, _last_line(text) or line
    code = child.wait()
    return Silence(longest, shown, time.monotonic() - started, code)


def _written(terminal: int) -> Iterator[str]:
    while True:
        select.select([terminal], [], [])
        try:
            content = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so when the last writer has gone
            content = b""
        if not content:
            os.close(terminal)
            return
        yield content.decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in re.split(r"[\r\n]+", _CONTROL.sub("", text))]
    return next((line for line in reversed(lines) if line), "")


def main() -> None:
    """Measure and print a row a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", action="append", help="a command's name; several times for more")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        every = commands(asked.data.resolve(), Path(folder))
        sys.stdout.write(
            f"{'command':20} {'gap s':>6} {'whole s':>8} {'exit':>4}  shown before it\n"
        )
        for name, arguments in every.items():
            if asked.only and name not in asked.only:
                continue
            found = watch(arguments)
            sys.stdout.write(
                f"{name:20} {found.seconds:6.2f} {found.whole_s:8.1f} {found.code:4d}  {found.shown[:_COLUMNS]}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
