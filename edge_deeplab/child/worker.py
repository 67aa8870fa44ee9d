"""Inside a bounded child: `python -P -m edge_deeplab.child.worker`.

It imports the module that it is told, lets the module's `service` make the functions that answer requests, bounds its
memory, and answers one request after another until its pipe closes. Requests and answers have the process's original
standard streams to themselves; what libraries print goes to stderr.
"""

import gc
import json
import os
import shutil
import signal
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import IO, Any

from edge_deeplab.child.limits import bound_memory, bound_processor_time
from edge_deeplab.child.messages import read_message, write_message
from edge_deeplab.errors import EdgeDeepLabError
from edge_deeplab.text import first_line

Handler = Callable[..., Mapping[str, Any]]
"""Answers one kind of request: takes its values by name, returns JSON values and arrays by name."""

ANSWER, ERROR, FAILURE, NO_MEMORY = "answer", "error", "failure", "no memory"
"""Kinds of messages that a child gives: values; one of this package's errors; any other; memory is used up."""


def main() -> None:
    """Serve the parent until it closes the pipe."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is the parent's, which then closes the pipe
    requests, answers = _claim_channel()
    start = json.loads(sys.argv[1])
    handlers = _prepare(start["module"], start["arguments"])
    bound_memory(start["memory_bytes"])
    try:
        while True:
            request, values = read_message(requests)
            bound_processor_time(start["cpu_s"])
            _answer(answers, handlers, request, values)
    except (EOFError, BrokenPipeError):
        shutil.rmtree(start["scratch"], ignore_errors=True)  # a parent that was killed did not
        os._exit(0)  # the parent is gone or done; a native library's own way to end may hang


def _claim_channel() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the original stdin and stdout for messages; further reads see nothing, further prints go to stderr."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _prepare(module: str, arguments: Mapping[str, Any]) -> Mapping[str, Handler]:
    """Return a module's handlers; where it cannot make them, every request gets the reason."""
    gc.disable()  # what is imported stays; looking for cycles in it was a tenth of the start
    try:
        handlers: Mapping[str, Handler] = import_module(module).service(**arguments)
    except Exception as error:
        reason = error

        def refuse(**_: Any) -> Mapping[str, Any]:
            raise reason

        return defaultdict(lambda: refuse)
    finally:
        gc.freeze()
        gc.enable()
    return handlers


def _answer(
    answers: IO[bytes], handlers: Mapping[str, Handler], request: str, values: dict[str, Any]
) -> None:
    """Handle one request and write what came of it."""
    try:
        write_message(answers, ANSWER, handlers[request](**values))
    except (EOFError, BrokenPipeError):
        raise
    except EdgeDeepLabError as error:
        told = {"type": type(error).__name__, "message": str(error), "data": vars(error)}
        write_message(answers, ERROR, told)
    except MemoryError:
        write_message(answers, NO_MEMORY, {})
    except (
        Exception
    ) as error:  # whatever a third party's layers raise; the parent says it in its own words
        traceback.print_exc()
        told = {"type": type(error).__name__, "message": first_line(error)[:500]}
        write_message(answers, FAILURE, told)


if __name__ == "__main__":
    main()
