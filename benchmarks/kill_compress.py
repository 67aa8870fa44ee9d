"""Does `compress` end in the same bytes however often it is killed? Every step is killed (SIGKILL) in its middle once.

    python benchmarks/kill_compress.py --data CAMVID --output FOLDER

runs a short chain on real photographs twice: once left alone, once killed and started again at every step. Then it
compares what lies in `checkpoints/` and `exports/` byte for byte, and whether any finished step was done again.
Exit code 1 when a byte differs or a step was repeated. A step that was over before half of the time that it took when
left alone is named as not killed.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

RECIPE = """
[prune]
seed = 4
[prune.data]
splits = ["train"]
validation_split = ""
size_hw = [184, 240]
crop_hw = [176, 176]
[prune.optimiser]
epochs = 2
[prune.pruning]
macs = 0.5
images = 16

[qat]
seed = 3
[qat.data]
splits = ["train"]
validation_split = ""
size_hw = [184, 240]
crop_hw = [176, 176]
[qat.optimiser]
epochs = 2
[qat.quantization]
calibration_images = 16

[export]

[parity]
split = "test"
limit = 8
max_drop = 100

[bench]
rounds = 5
"""
COMPARED = ("checkpoints", "exports")
_POLL_S = 0.02


@dataclass
class Watched:
    """What was seen of a run's steps, by the name of a step's folder."""

    started: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    done_at_ns: dict[str, int] = field(default_factory=dict)

    def look(self, steps: Path) -> None:
        """Note which steps have begun and which have ended."""
        for folder in steps.iterdir() if steps.is_dir() else ():
            self.started.setdefault(folder.name, time.monotonic())
            done = folder / "done.json"
            if folder.name not in self.done_at_ns and done.is_file():
                self.done_at_ns[folder.name] = done.stat().st_mtime_ns
                self.seconds[folder.name] = time.monotonic() - self.started[folder.name]

    def repeated(self, steps: Path) -> list[str]:
        """Return the steps whose end was written again after it was first seen."""
        return [
            name
            for name, first_ns in self.done_at_ns.items()
            if (steps / name / "done.json").stat().st_mtime_ns != first_ns
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="CamVid's folder")
    parser.add_argument("--output", type=Path, required=True, help="new folder for both runs")
    parser.add_argument("--checkpoint", default="camvid-efficientnet-lite0")
    options = parser.parse_args()
    options.output.mkdir(parents=True)
    recipe = options.output / "recipe.toml"
    recipe.write_text(RECIPE)
    whole, parts = options.output / "whole", options.output / "parts"

    def command(folder: Path) -> list[str]:
        start = [sys.executable, "-P", "-m", "edge_deeplab", "compress", options.checkpoint]
        return [
            *start,
            "--data",
            str(options.data),
            "--recipe",
            str(recipe),
            "--output",
            str(folder),
        ]

    left_alone = Watched()
    if code := run(command(whole), whole / "steps", left_alone, {}):
        sys.stderr.write(f"the run that was left alone ended with code {code}\n")
        return 1
    watched = Watched()
    waiting = {name: seconds / 2 for name, seconds in left_alone.seconds.items()}
    killed = set[str]()
    while (code := run(command(parts), parts / "steps", watched, waiting)) == -signal.SIGKILL:
        killed |= watched.started.keys() - watched.done_at_ns.keys()
    different = differences(whole, parts)
    repeated = watched.repeated(parts / "steps")
    sys.stdout.write(
        f"{len(left_alone.seconds)} steps, {len(killed)} kills, the last start ended with code {code}\n"
        f"not killed: {', '.join(sorted(left_alone.seconds.keys() - killed)) or 'none'}\n"
        f"{len(files_in(whole))} files compared; different: {', '.join(different) or 'none'}\n"
        f"finished steps done again: {', '.join(repeated) or 'none'}\n"
    )
    return 1 if code or different or repeated else 0


def run(command: list[str], steps: Path, watched: Watched, waiting: dict[str, float]) -> int:
    """Run a chain, killing it once in each step that waits for that; return its exit code, negative when killed.

    Args:
        command: starts or continues the chain.
        steps: where its steps' folders appear.
        watched: what was seen so far; goes on.
        waiting: by step, seconds after its begin at which it is killed; a step that was killed is taken out.
    """
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None:
        watched.look(steps)
        for name in list(waiting):
            begun = watched.started.get(name)
            if name in watched.done_at_ns:
                del waiting[name]
            elif begun is not None and time.monotonic() - begun >= waiting[name]:
                del waiting[name]
                os.killpg(process.pid, signal.SIGKILL)
                sys.stderr.write(f"killed in {name}\n")
                return process.wait()
        time.sleep(_POLL_S)
    watched.look(steps)
    return process.returncode


def files_in(folder: Path) -> dict[str, Path]:
    """Return the compared files of a run by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path
        for part in COMPARED
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


def differences(one: Path, other: Path) -> list[str]:
    """Return the paths of files that are not the same in both runs."""
    first, second = files_in(one), files_in(other)
    return [
        name
        for name in sorted(first.keys() | second.keys())
        if name not in first
        or name not in second
        or first[name].read_bytes() != second[name].read_bytes()
    ]


if __name__ == "__main__":
    sys.exit(main())
