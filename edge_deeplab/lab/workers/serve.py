"""Answers one request inside a tool's environment: `python -I serve.py SCRIPT DESCRIPTOR`, the request on stdin.

The reply has a descriptor of its own, because tools print; the process then ends at once, because native libraries may
hang or crash in their own end.
"""

import json
import os
import runpy
import sys
import traceback
from typing import Any


def main() -> None:
    """Call the script's function of the request's verb and write what it returns, or what it raised."""
    script, descriptor = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(descriptor, False)  # what the tool starts does not hold it open
    request: dict[str, Any] = json.load(sys.stdin)
    reply: dict[str, Any]
    try:
        reply = {"answer": runpy.run_path(script)[request.pop("verb")](**request)}
    except Exception as error:  # whatever a tool raises; the parent says it in one sentence
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        reply = {"failure": f"{type(error).__name__}: {lines[0] if lines else 'no message'}"}
    with os.fdopen(descriptor, "w") as replies:
        json.dump(reply, replies)
    os._exit(0)


if __name__ == "__main__":
    main()
