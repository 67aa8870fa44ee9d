"""What every command that scores is asked for: on which images files are scored, and how they are run."""

from dataclasses import dataclass
from pathlib import Path

from edge_deeplab.child.limits import Allowance
from edge_deeplab.data.dataset import SegmentationDataset
from edge_deeplab.data.folder import DataFolder, NamedLabelMap
from edge_deeplab.data.pixel_limit import MAX_PIXELS
from edge_deeplab.data.rendered_set import resolve_dataset
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation.class_map import ClassMap, read_class_map
from edge_deeplab.runtimes.artifact import ArtifactRuntime
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.runtimes.open import known_runtime, open_artifact


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """The labelled images, and what exported files are run with.

    Args:
        data: a folder with `dataset.toml`, PASCAL VOC or Cityscapes; None for the rendered set.
        split: split of the folder.
        limit: only the first images; None for all.
        max_pixels: a larger image is refused.
        label_map: the masks' classes in other words, those that are scored, or the TOML file that says so.
        class_map: what the ids of another project's file mean, or the TOML file that says so.
        normalisation: of a float or int8 input of a file that does not describe itself.
        threshold: of a mask of one class that such a file gives: from this value on a pixel is of class 1.
        runtime: what runs exported files; None for the default of each format.
        allowance: memory and time that a file may take; None for the defaults.

    Raises:
        ConfigError: for an unknown runtime, or a label map without data.
    """

    data: Path | None = None
    split: str = "test"
    limit: int | None = None
    max_pixels: int = MAX_PIXELS
    label_map: NamedLabelMap = None
    class_map: ClassMap | Path | str | None = None
    normalisation: Normalisation | None = None
    threshold: float | None = None
    runtime: str | None = None
    allowance: Allowance | None = None

    def __post_init__(self) -> None:
        known_runtime(self.runtime)
        if self.label_map is not None and self.data is None:
            raise ConfigError(
                "a label map came without data, whose labels it would map; a data folder was expected with it; "
                "pass one, or leave the map out"
            )

    def files_beside(self, *others: object) -> tuple[Path, ...]:
        """Return the files that are read beside images and models: the maps, and what else was named by a path."""
        named = (self.label_map, self.class_map, *others)
        return tuple(Path(each) for each in named if isinstance(each, str | Path))

    def open_data(self) -> SegmentationDataset:
        """Return the labelled images; errors as for `DataFolder.named` and `resolve_dataset`."""
        folder = (
            None
            if self.data is None
            else DataFolder.named(self.data, self.max_pixels, self.label_map)
        )
        return resolve_dataset(folder, self.split, limit=self.limit)

    def read_class_map(self) -> ClassMap | None:
        """Return what a foreign file's ids mean; errors as for `read_class_map`."""
        return None if self.class_map is None else read_class_map(self.class_map)

    def open_file(self, path: Path, size_hw: tuple[int, int] | None = None) -> Runtime:
        """Open an exported file, at one of its sizes; errors as for `open_artifact`."""
        opened = open_artifact(
            path,
            size_hw=size_hw,
            normalisation=self.normalisation,
            allowance=self.allowance,
            runtime=self.runtime,
        )
        if self.threshold is not None and isinstance(opened, ArtifactRuntime):
            opened.read_as_mask(self.threshold)
        return opened
