"""Content-addressed steps: what was made once of the same inputs, settings and packages is not made again.

The idea to hold: a step's folder is named after a hash of everything that its outputs depend on, and `done.json`,
written last, lists them with their hashes. A folder without it was stopped: a training goes on in it, anything else
starts over.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_deeplab.documents import Fields, read_json
from edge_deeplab.errors import StepError
from edge_deeplab.files import path_inside, write_atomically
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.versions import __version__, installed_versions

DONE_FILE = "done.json"
_KEY_DIGITS = 12
"""Digits of the key in a folder's name."""

Make = Callable[[Path, bool], Sequence[Path]]
"""Makes a step's outputs in its folder, going on from the state there where asked to, and returns their paths."""


@dataclass(frozen=True)
class Step:
    """One piece of work and everything that its outputs depend on.

    Args:
        name: what it is called in messages, and how its folder's name begins.
        settings: JSON values.
        inputs: hashes of what it reads, by what that is.
        packages: those whose version the outputs depend on, beside this one.
        make: does it.
        state_file: a file of this name, at any depth, is a state to go on from; None for work that starts over.
    """

    name: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    packages: Sequence[str]
    make: Make
    state_file: str | None = None

    @property
    def key(self) -> str:
        """Hash of everything that the outputs depend on."""
        document = {
            "step": self.name,
            "settings": self.settings,
            "inputs": self.inputs,
            "packages": {"edge-deeplab": __version__, **installed_versions(*self.packages)},
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Finished:
    """A step that is done.

    Args:
        step: its name.
        key: its key.
        folder: where its outputs lie.
        outputs: hash of each output, a file or a folder, by its name in there.
    """

    step: str
    key: str
    folder: Path
    outputs: Mapping[str, str]

    def paths(self) -> list[Path]:
        """Return the outputs' paths, in the order in which they were made."""
        return [self.folder / name for name in self.outputs]


def run_step(step: Step, folder: Path, progress: Progress = SILENT) -> Finished:
    """Do a step, or only say that it is done already.

    Args:
        step: what is to be done.
        folder: of all steps.
        progress: told which of both, in one line.

    Raises:
        StepError: when it fails; what it and others left stays.
    """
    own = folder / f"{step.name}-{step.key[:_KEY_DIGITS]}"
    with _naming(step, progress):
        _remove_hidden(folder.glob(".*"))
        finished = _read_finished(step, own)
        damaged = [] if finished is None else _damaged(finished)
        if finished is not None and not damaged:
            progress.note(f"{step.name}: done already")
            return finished
        if damaged:
            progress.note(
                f"{step.name}: warning: {damaged[0]} is missing or was changed; it is made again"
            )
        resume = not damaged and _can_go_on(step, own)
        if not resume:
            _remove(own)
        progress.note(f"{step.name}: {'going on' if resume else 'running'}")
        own.mkdir(parents=True, exist_ok=True)
        return _finish(step, own, step.make(own, resume))


def _finish(step: Step, folder: Path, outputs: Sequence[Path]) -> Finished:
    """Note that a step is done; until this is written, it is not."""
    hashes = {path.relative_to(folder).as_posix(): content_sha256(path) for path in outputs}
    document = {"step": step.name, "key": step.key, "outputs": hashes}
    write_atomically(folder / DONE_FILE, json.dumps(document, indent=2) + "\n")
    return Finished(step.name, step.key, folder, hashes)


def _read_finished(step: Step, folder: Path) -> Finished | None:
    """Return what a step's folder says was finished; None where it says nothing that can be read, or another step."""
    try:
        document = Fields(read_json(folder / DONE_FILE))
        hashes = {name: str(digest) for name, digest in document.table("outputs").items()}
        for name in hashes:
            path_inside(folder, name)
        same = document.get("key") == step.key
    except (OSError, ValueError):
        return None
    return Finished(step.name, step.key, folder, hashes) if same else None


def _damaged(finished: Finished) -> list[Path]:
    """Return the outputs that are not what the step has written."""
    return [
        path
        for path, digest in zip(finished.paths(), finished.outputs.values(), strict=True)
        if not path.exists() or content_sha256(path) != digest
    ]


def _can_go_on(step: Step, folder: Path) -> bool:
    """Return whether a stopped step's folder holds a state; what a killed writer left there is removed."""
    _remove_hidden(folder.rglob(".*"))
    return step.state_file is not None and any(folder.rglob(step.state_file))


def _remove(folder: Path) -> None:
    """Remove a step's folder under a hidden name: what a kill leaves of it must not be taken for a state."""
    if folder.exists():
        hidden = folder.with_name(f".{folder.name}")
        folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _remove_hidden(leftovers: Iterable[Path]) -> None:
    """Remove the folders that something killed has left behind under hidden names."""
    for leftover in list(leftovers):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _naming(step: Step, progress: Progress) -> Iterator[None]:
    """Put a step's name on what ends it."""
    try:
        yield
    except KeyboardInterrupt:
        progress.note(f"{step.name}: stopped; the same command goes on from here")
        raise
    except Exception as error:
        raise StepError(step.name, error) from error
