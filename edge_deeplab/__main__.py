"""`python -m edge_deeplab` is the `edge-deeplab` console script."""

import os
import sys

# -m puts the working directory first, where a stranger's json.py may lie beside the files to look at. What stands above
# is loaded before any program starts; nothing else is imported until that folder is off the path.
if __name__ == "__main__" and not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109
    del sys.path[0]

import signal
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED_EXIT_CODE = 130


def main() -> None:
    """Run the program; until it is imported, there is nothing to end but the process."""
    before = {number: signal.getsignal(number) for number in _STOPPING}
    for number, handler in before.items():
        # what is ignored stays so: whoever started the program in the background wants that
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from edge_deeplab.cli.app import main as run

    for number, handler in before.items():
        signal.signal(number, handler)
    run()


def _stop(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
