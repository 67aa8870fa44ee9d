"""How long the lab takes with every tool that is installed, compile only: with nothing kept, and again.

    python benchmarks/lab.py FILE...

Ends with code 1 when a cell fails, a tool does otherwise than predicted, or a bar is missed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_deeplab.lab.environments import FOLDER_VARIABLE, lab_folder

BARS_S = {"nothing kept": 180.0, "again": 5.0}


def main() -> None:
    """Run the lab twice on a folder of its own and print what it took."""
    slow = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tools").symlink_to(lab_folder() / "tools")
        for run, bar_s in BARS_S.items():
            seconds, code, document = timed(sys.argv[1:], folder)
            asked = sorted({cell["version"] for cell in document["devices"] if cell["version"]})
            sys.stdout.write(
                f"{run}: {seconds:.1f} s (bar {bar_s:g} s), {len(document['devices'])} cells, "
                f"{document['compared']} compiled, {document['disagreements']} otherwise than predicted, "
                f"exit code {code}; {', '.join(asked)}\n"
            )
            slow += [run] if seconds > bar_s or code else []
    sys.exit(1 if slow else 0)


def timed(files: list[str], folder: str) -> tuple[float, int, dict[str, list[dict[str, str]]]]:
    """Return the seconds of a run as a user starts it, its exit code and its document."""
    command = [sys.executable, "-m", "edge_deeplab", "lab", *files, "--json", "--fail-disagreement"]
    environment = {**os.environ, FOLDER_VARIABLE: folder}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    return time.perf_counter() - start, done.returncode, json.loads(done.stdout)


if __name__ == "__main__":
    main()
