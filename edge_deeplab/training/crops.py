"""Training crops: which labelled images an epoch shows, augmented, as normalised tensors.

A crop depends on (seed, epoch, index) alone: any number of workers or GPUs, and a resumed run, see the same ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, Dataset, Sampler

from edge_deeplab.config import DataSection, Recipe
from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.images import ImageHWC, MaskIds
from edge_deeplab.data.rendered_set import HELD_OUT_SEED, RenderedDataset
from edge_deeplab.data.transforms import Augmentation, paste_classes
from edge_deeplab.description import Normalisation
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.models.checkpoint import CheckpointInfo
from edge_deeplab.progress import SILENT, Progress

IGNORE = 255
"""Label that training ignores, whatever the data set's own ignore index is."""


@dataclass
class EpochCrops(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The crops of one epoch; `epoch` selects which.

    Args:
        sources: labelled data sets shown once an epoch.
        rendered: scenes mixed in, or None.
        share: fraction of an epoch's crops that come from `rendered`.
        augmentation: how crops are drawn; its ignore index is `IGNORE`.
        normalisation: constants in 0..255 pixel units.
        seed: seed of the run.
        epoch: which one it is.
        repeat: times that an epoch shows every image.
        mix: probability that half of the classes of another crop are pasted into one.
    """

    sources: Sequence[SegmentationDataset]
    rendered: SegmentationDataset | None
    share: float
    augmentation: Augmentation
    normalisation: Normalisation
    seed: int
    epoch: int = 0
    repeat: int = 1
    mix: float = 0.0

    def __post_init__(self) -> None:
        once = [(source, i) for source in self.sources for i in range(len(source))]
        self._index = once * self.repeat
        self._memory: dict[tuple[int, int], Sample] = {}
        self._mean = np.array(self.normalisation.mean, np.float32)
        self._scale = 1 / np.array(self.normalisation.std, np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is remembered: a worker that is spawned and not forked reads for itself."""
        return {**self.__dict__, "_memory": {}}

    def __len__(self) -> int:
        extra = (
            0 if self.rendered is None else round(len(self._index) * self.share / (1 - self.share))
        )
        return len(self._index) + extra

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ((3, H, W) float32 normalised image, (H, W) int64 mask with `IGNORE`)."""
        rng = np.random.Generator(np.random.PCG64([self.seed, self.epoch, index]))
        image, mask = self._drawn(index, rng)
        if self.mix > 0 and rng.random() < self.mix:
            other = self._drawn(int(rng.integers(len(self))), rng)
            image, mask = paste_classes((image, mask), other, rng, ignore_index=IGNORE)
        normalised = (image.astype(np.float32) - self._mean) * self._scale  # (H, W, 3)
        return (
            torch.from_numpy(normalised.transpose(2, 0, 1)),
            torch.from_numpy(mask.astype(np.int64)),
        )

    def _drawn(self, index: int, rng: np.random.Generator) -> tuple[ImageHWC, MaskIds]:
        """Return a crop and its mask with `IGNORE`."""
        source, position = self._source_of(index, rng)
        sample = self._remembered(source, position)
        mask = sample.mask_ids
        if source.ignore_index is not None and source.ignore_index != IGNORE:
            mask = np.where(mask == source.ignore_index, np.uint8(IGNORE), mask)
        return self.augmentation(sample.image_hwc, mask, rng)

    def _source_of(self, index: int, rng: np.random.Generator) -> tuple[SegmentationDataset, int]:
        if index < len(self._index):
            return self._index[index]
        assert self.rendered is not None
        return self.rendered, int(rng.integers(len(self.rendered)))

    def _remembered(self, source: SegmentationDataset, position: int) -> Sample:
        return self._memory.get((id(source), position)) or source[position]

    def remember(self, *, limit_bytes: int = 2 << 30, progress: Progress = SILENT) -> None:
        """Decode images once, before workers fork and share them, until `limit_bytes` are held.

        Decoding or rendering an image costs as much as drawing a crop from it; a CamVid-sized set fits in memory.
        """
        held = 0
        sources = [*self.sources, *([self.rendered] if self.rendered is not None else [])]
        progress.begin("reading images", sum(map(len, sources)), "images")
        for source in sources:
            for position in range(len(source)):
                if held > limit_bytes:
                    return
                sample = source[position]
                self._memory[id(source), position] = sample
                held += sample.image_hwc.nbytes + sample.mask_ids.nbytes
                progress.advance()


def build_crops(
    sources: Sequence[SegmentationDataset], recipe: Recipe, info: CheckpointInfo
) -> EpochCrops:
    """Return an epoch's crops as a recipe's data section asks for them.

    Args:
        sources: labelled data sets shown once an epoch.
        recipe: the run.
        info: of the checkpoint that it trains: its normalisation, and the size that crops follow.

    Raises:
        ConfigError: when rendered scenes are to be mixed into other classes than theirs.
    """
    section = recipe.data
    check_rendered(section, sources)
    rendered = (
        RenderedDataset(section.rendered_scenes, first_seed=_first_scene(recipe))
        if section.rendered_share > 0
        else None
    )
    augmentation = Augmentation(
        section.crop_for(info.size_hw),
        section.scale,
        section.flip,
        section.jitter,
        section.focus,
        ignore_index=IGNORE,
    )
    return EpochCrops(
        sources,
        rendered,
        section.rendered_share,
        augmentation,
        info.normalisation,
        recipe.seed,
        repeat=section.repeat,
        mix=section.mix,
    )


def _first_scene(recipe: Recipe) -> int:
    """Return the seed of a run's first rendered scene: others for each run, and never one that is held out."""
    scenes = recipe.data.rendered_scenes
    return recipe.seed * scenes % (HELD_OUT_SEED - scenes)


def check_rendered(section: DataSection, sources: Sequence[SegmentationDataset]) -> None:
    """Check that a recipe mixes rendered scenes only into their own classes, whose ids their masks hold.

    Raises:
        ConfigError: when it would mix them into others, or the same in another order.
    """
    if section.rendered_share == 0:
        return
    scenes = RenderedDataset(1)
    own = [c.name for c in scenes.classes]
    for source in sources:
        names = [c.name for c in source.classes]
        if names != own:
            raise ConfigError(
                f"data.rendered_share {section.rendered_share:g} came with {source.name}, whose classes are "
                f"{', '.join(names)}; those of the {scenes.name} in their order were expected "
                f"({', '.join(own)}); set data.rendered_share = 0"
            )


class _EpochOrder(Sampler[int]):
    """A permutation of the crops that depends on (seed, epoch) alone."""

    def __init__(self, crops: EpochCrops) -> None:
        self._crops = crops

    def __len__(self) -> int:
        return len(self._crops)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._crops.seed * 100_003 + self._crops.epoch)
        yield from torch.randperm(len(self._crops), generator=generator).tolist()


def build_loader(
    crops: EpochCrops, recipe: Recipe, workers: int, accelerator: Accelerator
) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Return what gives the parts of a step: its crops are shared out over processes and `optimiser.accumulate` parts.

    The recipe's batch size counts over all of them, so a run means the same on any number of GPUs.
    """
    parts = accelerator.num_processes * recipe.optimiser.accumulate
    check_batch(crops, recipe, accelerator.num_processes)
    loader = DataLoader(
        crops,
        recipe.optimiser.batch_size // parts,
        sampler=_EpochOrder(crops),
        num_workers=workers,
        drop_last=True,
        pin_memory=accelerator.device.type == "cuda",
    )
    prepared: DataLoader[tuple[torch.Tensor, torch.Tensor]] = accelerator.prepare(loader)
    return prepared


def check_batch(crops: EpochCrops, recipe: Recipe, processes: int) -> None:
    """Check that an epoch has crops for a batch, and a batch images for every process and part.

    Raises:
        DataError: when it has not.
    """
    section = recipe.optimiser
    batch, parts = section.batch_size, processes * section.accumulate
    least = 1 if section.freeze_batch_norm else 2
    if batch % parts or batch < least * parts:
        each = "an image" if least == 1 else "two images"
        why = "" if least == 1 else ", because batch norm compares them"
        raise DataError(
            f"a batch of {batch} images came for {parts} parts ({processes} of torchrun's processes, "
            f"optimiser.accumulate {section.accumulate}); a multiple, {each} or more for each, was expected{why}; "
            "set optimiser.batch_size"
        )
    if len(crops) < batch:
        lower = "" if len(crops) < least * parts else ", or lower optimiser.batch_size"
        raise DataError(
            f"an epoch has {len(crops)} crops, fewer than the batch of {batch}; "
            f"add images, or show each several times with data.repeat{lower}"
        )
