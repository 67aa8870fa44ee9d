"""What a bounded child serves in the tests: each request does what a native library or a hostile file may do."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edge_deeplab.errors import MissingDependencyError, UnsupportedOperatorError

HELD: list[Any] = []


def service(refuses: bool = False) -> Mapping[str, Callable[..., Mapping[str, Any]]]:
    if refuses:
        raise MissingDependencyError("some-runtime", "some")
    return {
        "echo": lambda **values: values,
        "modules": lambda: {"path": sys.path, "environment": dict(os.environ)},
        "print": print_everywhere,
        "scratch": lambda: {"path": tempfile.mkdtemp()},
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "exit": lambda: sys.stderr.write("first\nlast words\n") and os._exit(3),
        "hog": hog,
        "spin": spin,
        "wait": lambda: time.sleep(600),
        "garbage": garbage,
        "unsupported": unsupported,
        "fail": lambda: [][1],
        "text": lambda: {"value": np.array(["text"])},
        "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT) or {"alive": True},
    }


def print_everywhere() -> Mapping[str, Any]:
    """Print from Python and below it, much of it."""
    sys.stdout.write("python\n" * 1000)
    sys.stdout.flush()
    for _ in range(100):
        os.write(1, b"native\n" * 1000)
        os.write(2, b"native error\n" * 1000)
    return {"read": sys.stdin.read()}


def hog(gib: float = 5.0) -> Mapping[str, Any]:
    HELD.append(np.ones(int(gib * 2**30), np.uint8))
    return {}


def spin(seconds: float = 600.0) -> Mapping[str, Any]:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return {}


def garbage(line: str) -> Mapping[str, Any]:
    """Write an answer that nobody checked; the descriptor that answers go to is the highest that is open."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, line.encode() + b"\n")
        except OSError:
            continue
    time.sleep(600)
    return {}


def unsupported() -> Mapping[str, Any]:
    raise UnsupportedOperatorError(["erf", "gelu"], "this evaluator")
