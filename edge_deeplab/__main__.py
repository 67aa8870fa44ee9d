"""`python -m edge_deeplab` is the `edge-deeplab` console script."""

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109  # imports nothing from that folder
        del sys.path[
            0
        ]  # -m puts it there, and a stranger's json.py may lie in it beside the files to look at
    from edge_deeplab.cli.app import main

    main()
