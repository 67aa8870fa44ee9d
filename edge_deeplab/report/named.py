"""What the names of a report mean: a run's folder, a folder of a chain or of exports, exported files, checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.compress.gathering import REPORT
from edge_deeplab.compress.job import STEPS_FOLDER
from edge_deeplab.compress.report import CHECKPOINTS_FOLDER, EXPORTS_FOLDER
from edge_deeplab.errors import ConfigError
from edge_deeplab.files import BEST_FILE, LAST_FILE
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.manifest import MANIFEST
from edge_deeplab.models.shipped import shipped_checkpoints
from edge_deeplab.report.curves import Curve, read_curves
from edge_deeplab.targets import endings, target_of

MOST_ARTIFACTS = 60
"""Files of one page; more would be neither read nor kept within its bytes."""
_CHECKPOINT = ".safetensors"


@dataclass(frozen=True)
class Named:
    """What was named.

    Args:
        artifacts: exported files, each once.
        checkpoints: checkpoint files, each once.
        curves: of the runs whose folders were named.
    """

    artifacts: tuple[Path, ...]
    checkpoints: tuple[Path, ...]
    curves: tuple[Curve, ...]


def find_named(paths: Sequence[Path]) -> Named:
    """Return what paths mean.

    Raises:
        ConfigError: when there is none, one means nothing that a page can be about, or they are too many.
    """
    if not paths:
        raise ConfigError(
            "no file came; at least one was expected; name a run's folder, exported files or checkpoints"
        )
    artifacts: list[Path] = []
    checkpoints: list[Path] = []
    curves: list[Curve] = []
    for path in paths:
        if path.is_dir() and target_of(path) is None:
            found = _in_folder(path)
            artifacts += found.artifacts
            checkpoints += found.checkpoints
            curves += found.curves
        elif path.suffix.lower() == _CHECKPOINT:
            checkpoints.append(path)
        elif str(path) in shipped_checkpoints():
            checkpoints.append(shipped_checkpoints()[str(path)])
        else:
            artifacts.append(path)
    files = tuple(dict.fromkeys(artifacts))
    if len(files) > MOST_ARTIFACTS:
        raise ConfigError(
            f"{len(files)} exported files came; at most {MOST_ARTIFACTS} fit on a page; name fewer"
        )
    return Named(files, tuple(dict.fromkeys(checkpoints)), tuple(curves))


def _in_folder(folder: Path) -> Named:
    if (folder / REPORT).is_file() and (folder / STEPS_FOLDER).is_dir():
        exports, checkpoints = folder / EXPORTS_FOLDER, folder / CHECKPOINTS_FOLDER
        files = expand_artifacts([exports]) if (exports / MANIFEST).is_file() else []
        kept = tuple(sorted(checkpoints.glob(f"*{_CHECKPOINT}")))
        return Named(tuple(files), kept, read_curves(folder / STEPS_FOLDER))
    if (folder / MANIFEST).is_file():
        return Named(tuple(expand_artifacts([folder])), (), ())
    run = next((folder / n for n in (BEST_FILE, LAST_FILE) if (folder / n).is_file()), None)
    if run is not None:
        return Named((), (run,), read_curves(folder))
    raise ConfigError(
        f"{folder} is no folder that a page can be about; one of a training ({BEST_FILE}), of compress ({REPORT}) or "
        f"of exports ({MANIFEST}) was expected; name that, or files that end in {endings()} or {_CHECKPOINT}"
    )
