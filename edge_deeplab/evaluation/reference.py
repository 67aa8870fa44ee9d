"""Which checkpoint artifacts are held against.

In this order: the one that was asked for, the one that the artifacts' self-descriptions name, the shipped one. A
checkpoint found by name must also have the hash that the artifact was exported from: parity with another file of the
same name would be a number about nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.description import Description
from edge_deeplab.errors import CheckpointError, ConfigError, require
from edge_deeplab.files import BEST_FILE, file_sha256, path_inside
from edge_deeplab.models.shipped import resolve_checkpoint, shipped_checkpoints
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint


def choose_reference(
    given: "str | Checkpoint | None",
    descriptions: Mapping[Path, Description],
    progress: Progress = SILENT,
) -> "Path | Checkpoint":
    """Return the checkpoint that artifacts are held against: the one that was given, or the file that is meant.

    Arguments and errors are those of `find_reference`.
    """
    if given is None or isinstance(given, str):
        return find_reference(given, descriptions, progress)
    return given


def find_reference(
    argument: str | None, descriptions: Mapping[Path, Description], progress: Progress = SILENT
) -> Path:
    """Return the checkpoint file that a set of artifacts is measured against.

    Args:
        argument: a path, a shipped name, or None.
        descriptions: what the artifacts that describe themselves say, by artifact path.
        progress: told of each that was exported from another checkpoint than the one that was asked for.

    Raises:
        CheckpointError: when the checkpoint is not found, or is another file than the artifacts were exported from.
        ConfigError: when the artifacts were exported from different checkpoints and none was asked for.
    """
    if argument is not None:
        path = resolve_checkpoint(argument)
        _tell_of_others(path, descriptions, progress)
        return path
    if not descriptions:
        return resolve_checkpoint(None)
    hashes = {d.checkpoint_sha256 for d in descriptions.values()}
    if len(hashes) > 1:
        names = sorted(
            {f"{d.checkpoint} ({d.checkpoint_sha256[:8]})" for d in descriptions.values()}
        )
        raise ConfigError(
            f"the artifacts were exported from {len(hashes)} checkpoints: {', '.join(names)}; "
            "one reference was expected; name a reference, or measure them in separate runs"
        )
    artifact, description = next(iter(descriptions.items()))
    return _find_named(description, artifact, [path.parent for path in descriptions])


def open_reference(
    named: "Path | Checkpoint", size_hw: tuple[int, int], *, canonical: bool = False
) -> Runtime:
    """Return a checkpoint as what artifacts are held against; torch is imported here.

    Args:
        named: the checkpoint, or its file.
        size_hw: input height and width in pixels.
        canonical: run its canonical graph, what a file is lowered from.

    Raises:
        CheckpointError: when it cannot be read.
        CaptureError: when it cannot be captured.
        MissingDependencyError: without torch.
    """
    require("torch", package="torch", extra="train")
    from edge_deeplab.models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(named) if isinstance(named, Path) else named
    if canonical:
        from edge_deeplab.runtimes.canonical import CanonicalRuntime

        return CanonicalRuntime(checkpoint, size_hw=size_hw)
    from edge_deeplab.runtimes.torch import TorchRuntime

    return TorchRuntime(checkpoint, size_hw=size_hw)


def _find_named(description: Description, artifact: Path, folders: Sequence[Path]) -> Path:
    found = list(_candidates(description.checkpoint, folders))
    for path in found:
        if file_sha256(path) == description.checkpoint_sha256:
            return path
    wanted = f"{artifact} was exported from checkpoint {description.checkpoint!r}"
    if found:
        raise CheckpointError(
            f"{wanted} with sha256 {description.checkpoint_sha256[:12]}, but {found[0]} has "
            f"{file_sha256(found[0])[:12]}; the same file was expected; export the artifact again or name a reference"
        )
    raise CheckpointError(
        f"{wanted}, which is neither shipped nor beside the artifact; name it as the reference"
    )


def _candidates(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that a checkpoint name can mean: a shipped one, one beside an artifact, or the run it lies in."""
    shipped = shipped_checkpoints()
    if name in shipped:
        yield shipped[name]
    for folder in dict.fromkeys(folders):
        yield from _file_in(folder, name)
        yield from _file_in(folder, f"{name}.safetensors")
        for run in (folder, folder.parent):
            if run.resolve().name == name:
                yield from _file_in(run, BEST_FILE)


def _file_in(folder: Path, name: str) -> Iterator[Path]:
    """Yield the file of a name in a folder; a description names what lies there and nothing else of this machine."""
    if Path(name).name != name:
        return
    with suppress(ValueError, OSError):  # it leads elsewhere, or no file can have that name
        path = path_inside(folder, name)
        if path.is_file():
            yield path


def _tell_of_others(
    reference: Path, descriptions: Mapping[Path, Description], progress: Progress
) -> None:
    digest = file_sha256(reference)
    for artifact, description in descriptions.items():
        if description.checkpoint_sha256 != digest:
            progress.note(
                f"warning: {artifact} was exported from checkpoint {description.checkpoint}, not from the reference "
                f"{reference}: the difference includes theirs"
            )
