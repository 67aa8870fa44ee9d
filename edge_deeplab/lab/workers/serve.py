"""Answers requests inside a tool's environment: `python -I serve.py SCRIPT DESCRIPTOR`, a request a line on stdin.

Replies have a descriptor of their own, because tools print; the process then ends at once, because native libraries may
hang or crash in their own end.
"""

import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Call the script's function of each request's verb and write what it returns, or what it raised."""
    script, descriptor = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(descriptor, False)  # what the tool starts does not hold it open
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # no tool reads what is asked
    functions: dict[str, Any] = {}
    with os.fdopen(descriptor, "w", encoding="utf-8") as replies:
        for line in requests:
            request = json.loads(line)
            reply = _answer(script, functions, request.pop("verb"), request)
            replies.write(reply + "\n")
            replies.flush()
    os._exit(0)


def _answer(script: str, functions: dict[str, Any], verb: str, values: dict[str, Any]) -> str:
    """Return the reply to one request; the script is run at the first."""
    try:
        if not functions:
            functions.update(runpy.run_path(script))
        function: Callable[..., Any] = functions[verb]
        return json.dumps({"answer": function(**values)})
    except Exception as error:  # whatever a tool raises; the parent says it in one sentence
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        told = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
        return json.dumps({"failure": told})


if __name__ == "__main__":
    main()
