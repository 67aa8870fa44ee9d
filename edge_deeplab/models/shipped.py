"""The checkpoints inside the package, and how a CHECKPOINT argument is resolved; needs torch only to load one."""

from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.errors import CheckpointError, require
from edge_deeplab.files import BEST_FILE
from edge_deeplab.models.shipped_files import shipped_checkpoints as shipped_checkpoints

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint

DEFAULT_CHECKPOINT = "camvid-efficientnet-lite0"
DEFAULT_QUANTIZED = "camvid-efficientnet-lite0-int8"
"""What is exported to int8 where no checkpoint is named."""


def resolve_checkpoint(argument: str | None) -> Path:
    """Return the path that a CHECKPOINT argument means.

    Args:
        argument: a path, a shipped name, or None for the default shipped checkpoint.

    Raises:
        CheckpointError: when it is neither a file nor a shipped name.
    """
    shipped = shipped_checkpoints()
    name = DEFAULT_CHECKPOINT if argument is None else argument
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if path.is_dir() and (path / BEST_FILE).is_file():
        return path / BEST_FILE
    if path.is_file():
        return path
    raise CheckpointError(
        f"checkpoint {name!r} is neither a file nor a shipped name; shipped are: {', '.join(shipped) or 'none'}"
    )


def open_checkpoint(
    argument: str | None, *, allow_pickle: bool = False, unsafe_pickle: bool = False
) -> "Checkpoint":
    """Load the checkpoint that a CHECKPOINT argument means.

    Args:
        argument: a path, a shipped name, a run's folder, or None for the default shipped checkpoint.
        allow_pickle: also read the tensors of a pickle, a file that is not `.safetensors`.
        unsafe_pickle: unpickle such a file in full, which runs code that its author chose.

    Raises:
        CheckpointError: when there is none, or it cannot be read.
        MissingDependencyError: without torch.
    """
    path = resolve_checkpoint(argument)
    require("torch", package="torch", extra="train")
    if (allow_pickle or unsafe_pickle) and path.suffix.lower() != ".safetensors":
        from edge_deeplab.models.pickle_import import read_pickle

        return read_pickle(path, unsafe=unsafe_pickle)
    from edge_deeplab.models.checkpoint import load_checkpoint

    return load_checkpoint(path)
