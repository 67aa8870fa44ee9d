"""A training command in two processes on this machine's CPU, as `torchrun` starts it."""

import os
import subprocess
import sys
from pathlib import Path

WORKER = Path(__file__).with_name("train_in_processes.py")


def start_in_two_processes(folder: Path, *arguments: str) -> str:
    """Return what both printed on stdout.

    Args:
        folder: where they run; ranks/0.json and ranks/1.json there hold what each step's weights sum to.
        *arguments: of the command line, the verb first.
    """
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, str(WORKER), *arguments, "--workers", "0", "--debug", "--json"]
    settings = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
