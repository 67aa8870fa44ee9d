"""The rendered street scenes as a data set, and the choice between them and a folder."""

from dataclasses import dataclass

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.data.rendered import CLASSES, IGNORE_INDEX, PALETTE, render_scene
from edge_deeplab.description import ClassInfo
from edge_deeplab.errors import ConfigError

HELD_OUT_SEED = 1_000_000
"""First seed of the scenes that are evaluated; training draws seeds below it."""
HELD_OUT_COUNT = 48


@dataclass(frozen=True)
class RenderedDataset:
    """Street scenes drawn from consecutive seeds, CamVid's 11 classes.

    Args:
        count: number of scenes.
        first_seed: seed of the first one.
        size_hw: height and width in pixels.
    """

    count: int = HELD_OUT_COUNT
    first_seed: int = HELD_OUT_SEED
    size_hw: tuple[int, int] = (360, 480)
    name: str = "rendered street scenes"
    licence: str = "Apache-2.0"
    classes: tuple[ClassInfo, ...] = tuple(map(ClassInfo, CLASSES, PALETTE))
    ignore_index: int | None = IGNORE_INDEX

    @property
    def names(self) -> tuple[str, ...]:
        """What each scene is called, after its seed."""
        return tuple(f"scene-{self.first_seed + index}" for index in range(self.count))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        """Draw one scene."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        image, mask = render_scene(self.first_seed + index, self.size_hw)
        return Sample(image, mask, self.names[index])


@dataclass(frozen=True)
class FirstSamples:
    """The first samples of another data set (`--limit`).

    Args:
        source: the data set.
        count: how many to keep.
    """

    source: SegmentationDataset
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"a limit of {self.count} images came; at least 1 was expected")

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    @property
    def licence(self) -> str:
        """The source's licence."""
        return self.source.licence

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The source's classes."""
        return self.source.classes

    @property
    def ignore_index(self) -> int | None:
        """The source's ignore index."""
        return self.source.ignore_index

    @property
    def names(self) -> tuple[str, ...]:
        """The source's, also of those that are not kept."""
        return self.source.names

    def __len__(self) -> int:
        return min(self.count, len(self.source))

    def __getitem__(self, index: int) -> Sample:
        """Return the source's sample."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.source[index]


def resolve_dataset(
    folder: DataFolder | None, split: str, *, limit: int | None = None
) -> SegmentationDataset:
    """Return the data set that `--data` and `--split` mean.

    Args:
        folder: the labelled images, or None for the held-out rendered scenes.
        split: split of the folder; the rendered scenes have none.
        limit: keep only the first images.

    Raises:
        ConfigError: when the limit is below 1, or for a label map that does not fit.
        DataError: as for `open_dataset`.
    """
    dataset: SegmentationDataset = RenderedDataset() if folder is None else folder.open(split)
    return dataset if limit is None else FirstSamples(dataset, limit)
