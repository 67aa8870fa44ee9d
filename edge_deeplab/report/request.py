"""What a page is asked for."""

from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.errors import checking, require
from edge_deeplab.evaluation.parity import MAX_DROP
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.files import check_outputs
from edge_deeplab.lab.devices import find_device


@dataclass(frozen=True, kw_only=True)
class ReportRequest(ScoringRequest):
    """What a page is about, and where it goes.

    Args:
        paths: folders of runs, of chains and of exports, exported files, checkpoints.
        output: the page.
        png: a folder for the plots alone; None for none.
        reference: a checkpoint's path or shipped name; None for what the files were exported from, of several the one
            that most others start from.
        max_drop: largest loss of mIoU points that passes.
        rounds: how often each file is timed.
        threads: CPU threads; None for all that are available.
        drift_images: images that are followed layer by layer; 0 for none.
        devices: of the lab, by their profiles' names, whose tools are asked too.

    Raises:
        ConfigError: for an unknown runtime or device.
        MissingDependencyError: when plots are asked for without matplotlib.
        OutputError: when the page or the folder cannot be written.
    """

    paths: tuple[Path, ...]
    output: Path
    png: Path | None = None
    reference: str | None = None
    max_drop: float = MAX_DROP
    rounds: int = 10
    threads: int | None = None
    drift_images: int = 2
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        with checking("devices"):
            for name in self.devices:
                find_device(name)
        if self.png is not None:
            require("matplotlib", package="matplotlib", extra="compress")
        read = (*self.paths, *self.files_beside(self.reference))
        check_outputs(self.output, folders=(self.png,), read=read)
