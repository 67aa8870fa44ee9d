"""Scoring one runtime on one data set.

The protocol, which is the same for the GPU reference and for every artifact:

1. the image is resized bilinearly to the artifact's input size (`resize_image`) and handed over as raw RGB;
2. predicted ids are resized by nearest neighbour to the mask's own size and compared there;
3. void (the data set's ignore index) is not scored;
4. confusion matrices are kept per image; the set's score is the score of their sum;
5. mIoU is the mean over the classes that the masks of the scored images hold (`edge_deeplab.evaluation.metrics`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.data.images import ImageHWC
from edge_deeplab.data.transforms import resize_ids, resize_image
from edge_deeplab.errors import ArtifactError, ConfigError, checking, require
from edge_deeplab.evaluation.class_map import ClassMap, class_lookup
from edge_deeplab.evaluation.dense_crf import DenseCrf, RefinedRuntime, load_library
from edge_deeplab.evaluation.metrics import (
    Ids,
    boundary_band,
    boundary_bands,
    confusion_matrix,
)
from edge_deeplab.evaluation.plots import check_plot
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.evaluation.score_plot import plot
from edge_deeplab.evaluation.scores import Evaluation, TrimapBand
from edge_deeplab.files import check_outputs
from edge_deeplab.models.shipped import open_checkpoint
from edge_deeplab.models.views import ONE_VIEW, Fuse, Views
from edge_deeplab.outputs import Output, write_all
from edge_deeplab.progress import SILENT, Progress
from edge_deeplab.runtimes.base import Runtime
from edge_deeplab.targets import target_of

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint


WIDEST_BAND_PX = 200
"""Trimap bands are no wider: they would be most of a picture."""


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(ScoringRequest):
    """What is scored, and how a checkpoint's network is applied to an image.

    Args:
        model: a checkpoint, loaded or its path, a run's folder or a shipped name; an exported file's path; None for the
            shipped checkpoint.
        output_stride: another stride than the checkpoint was trained with.
        scales: the image is seen at each of these scales.
        flip: also mirrored, left to right.
        fuse: how these views become one: "average" of class probabilities, or "maximum" of scores at each position.
        size_hw: input height and width, of an exported file one of those that it takes; None for its own.
        crf: refine the class map with a dense CRF, which stays outside of every exported file.
        trimap: widths, in pixels and rising, of the bands along label boundaries that are also scored alone.
        plot: draw the confusion matrix, and the trimap curve, to this .png, .svg or .pdf file.
        allow_pickle: also read the tensors of a pickle.
        unsafe_pickle: unpickle such a file in full, which runs code that its author chose.

    Raises:
        ConfigError: when a checkpoint's options come with an exported file, or the other way round, a stride or
            runtime is unknown, a scale is not above 0, widths do not rise, or the plot's ending is none of these.
        MissingDependencyError: when a plot is asked for without matplotlib, or a CRF without pydensecrf2.
    """

    model: "str | Checkpoint | None" = None
    output_stride: int | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    fuse: Fuse = "average"
    size_hw: tuple[int, int] | None = None
    crf: DenseCrf | None = None
    trimap: tuple[int, ...] = ()
    plot: Path | None = None
    allow_pickle: bool = False
    unsafe_pickle: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        protocol = (self.output_stride, self.views, self.crf)
        if self.artifact is not None and protocol != (None, ONE_VIEW, None):
            raise ConfigError(
                "an output stride, scales, a flip, a way to fuse or a CRF came with an exported file, "
                "whose graph is fixed; a checkpoint was expected with them; leave them out"
            )
        for name in ("runtime", "threshold", "normalisation") if self.artifact is None else ():
            if (value := getattr(self, name)) is not None:
                raise ConfigError(
                    f"{name} {value!s:.60} came with a checkpoint, which torch runs as it says itself; an exported "
                    "file was expected with it; leave it out"
                )
        if self.crf is not None:
            if not isinstance(self.crf, DenseCrf):
                raise ConfigError(
                    f"crf came as {self.crf!r:.60}; a DenseCrf was expected; pass evaluation.dense_crf.DenseCrf()"
                )
            load_library()
        with checking("trimap"):
            _check_widths(self.trimap)
        if self.plot is not None:
            with checking("plot"):
                check_plot(self.plot)
        if self.output_stride is not None:
            require("torch", package="torch", extra="train")
            from edge_deeplab.models.spec import check_output_stride

            with checking("output_stride"):
                check_output_stride(self.output_stride)

    @property
    def views(self) -> Views:
        """What is seen of each image."""
        return Views(self.scales, self.flip, self.fuse)

    @property
    def artifact(self) -> Path | None:
        """The exported file that is meant, by its ending; None where a checkpoint is."""
        if isinstance(self.model, str) and target_of(Path(self.model)) is not None:
            return Path(self.model)
        return None


def _check_widths(widths_px: Sequence[int]) -> None:
    rising = all(low < high for low, high in pairwise((0, *widths_px)))
    if not rising or max(widths_px, default=0) > WIDEST_BAND_PX:
        raise ConfigError(
            f"trimap widths {', '.join(map(str, widths_px))} came; pixels from 1 to {WIDEST_BAND_PX}, each more than "
            "the one before, were expected; write for example 1,5,10,20,40"
        )


def evaluate(request: EvaluateRequest, progress: Progress = SILENT) -> Evaluation:
    """Score a checkpoint or an exported file on a labelled set.

    Args:
        request: what is asked for.
        progress: told of what is opened, and of each image.

    Raises:
        ConfigError: for a class map that cannot be used, or does not fit.
        DataError: for a data set, an image or a mask that cannot be read.
        CheckpointError: for a checkpoint that cannot be opened.
        ArtifactError: for an exported file that cannot be opened or run.
        MissingDependencyError: without what runs it.
        OutputError: when the plot cannot be written; once all is scored with the evaluation (`UnwrittenError`).
    """
    check_outputs(request.plot, read=request.files_beside(request.model))
    dataset, class_map = request.open_data(), request.read_class_map()
    if request.artifact is not None:
        progress.begin(f"opening {request.artifact.name}")
        runtime = request.open_file(request.artifact, request.size_hw)
    else:
        progress.begin("loading torch and the checkpoint")
        runtime = _open_checkpoint(request)
    evaluation = evaluate_runtime(
        runtime, dataset, class_map=class_map, trimap=request.trimap, progress=progress
    )
    if (path := request.plot) is not None:
        write_all(evaluation, [Output(path, lambda: plot(evaluation, path))])
    return evaluation


def _open_checkpoint(request: EvaluateRequest) -> Runtime:
    checkpoint = request.model
    if checkpoint is None or isinstance(checkpoint, str):
        checkpoint = open_checkpoint(
            checkpoint, allow_pickle=request.allow_pickle, unsafe_pickle=request.unsafe_pickle
        )
    from edge_deeplab.runtimes.torch import TorchRuntime

    network = TorchRuntime(
        checkpoint,
        output_stride=request.output_stride,
        views=request.views,
        size_hw=request.size_hw,
    )
    return network if request.crf is None else RefinedRuntime(network, request.crf)


_WHITE = 255
"""What a grey mask has where no class id of two is."""


class Contestant:
    """A runtime that speaks the data set's class ids.

    Args:
        runtime: a loaded artifact or checkpoint.
        dataset: whose ids it is to speak; None where nothing is labelled, and its own ids stay.
        class_map: what the runtime's ids mean, where its self-description does not tell.

    Raises:
        ArtifactError: when nothing tells what its ids mean.
        ConfigError: when its classes are not the data set's, or the class map lists ids that it never gives.
    """

    def __init__(
        self,
        runtime: Runtime,
        dataset: SegmentationDataset | None,
        class_map: ClassMap | None = None,
    ) -> None:
        self.runtime = runtime
        self.class_names: tuple[str, ...] = ()
        self._is_told_two = (
            runtime.description is None and class_map is not None and max(class_map, default=2) <= 1
        )
        if dataset is None:
            self._lookup = np.arange(256, dtype=np.uint8)
            return
        self.class_names = tuple(each.name for each in dataset.classes)
        self._lookup = class_lookup(
            runtime.description,
            dataset.classes,
            class_map,
            artifact=str(runtime.path),
            count_classes=lambda: _count_scores(runtime),
        )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Input height and width in pixels."""
        return self.runtime.size_hw

    def segment(self, sample: Sample) -> tuple[Ids, float]:
        """Segment a labelled image; returns as for `predict`."""
        return self.predict(sample.image_hwc)

    def predict(self, image_hwc: ImageHWC) -> tuple[Ids, float]:
        """Segment one image of any size.

        Args:
            image_hwc: (H, W, 3) uint8 RGB.

        Returns:
            The data set's ids, uint8, at the runtime's input size, and the milliseconds that the runtime took.

        Raises:
            ArtifactError: when a file that is said to give two ids gives a grey mask.
        """
        images = np.stack([resize_image(image_hwc, self.size_hw)])  # (1, H, W, 3), a writable copy
        start = time.perf_counter()
        (ids,) = self.runtime.predict(images)
        latency_ms = (time.perf_counter() - start) * 1000
        return self.translate(ids), latency_ms

    def translate(self, ids: Ids) -> Ids:
        """Return the data set's ids, (H, W) uint8 at the runtime's input size, that the runtime's ids mean.

        Raises:
            ArtifactError: when a file that is said to give two ids gives a grey mask.
        """
        if self._is_told_two and ids.max(initial=0) == _WHITE:
            raise ArtifactError(
                f"{self.runtime.path} gives values up to {_WHITE} and the class map lists no id above 1; class ids "
                "were expected; pass a threshold, as 128, where it is a mask of one class, or a class map of all ids"
            )
        return self._lookup[resize_ids(ids, self.size_hw)]


def _count_scores(runtime: Runtime) -> int | None:
    """Return how many classes a runtime scores, seen on a black picture; None where it has no scores to read."""
    try:
        scores = runtime.logits(np.zeros((1, *runtime.size_hw, 3), np.uint8))
    except ArtifactError:
        return None
    return int(scores.shape[1])


class Tally:
    """The counts of one runtime while images go by.

    Args:
        dataset: its classes and ignore index are what is counted.
        trimap: widths of the bands along label boundaries that are also counted alone, rising.
    """

    def __init__(self, dataset: SegmentationDataset, trimap: Sequence[int] = ()) -> None:
        self._data = dataset.name
        self._class_names = tuple(c.name for c in dataset.classes)
        self._ignore_index = dataset.ignore_index
        shape = (len(self._class_names), len(self._class_names) + 1)
        # no list of matrices, of which a copy would be made at the end
        self._confusions = np.zeros((len(dataset), *shape), np.int64)
        self._boundary = np.zeros(shape, np.int64)
        self._trimap = {width: np.zeros(shape, np.int64) for width in trimap}
        self._latencies_ms: list[float] = []
        self._start = time.perf_counter()

    def add(self, sample: Sample, predicted_ids: Ids, latency_ms: float) -> None:
        """Count one image, in place.

        Args:
            sample: the labelled image.
            predicted_ids: the data set's ids at any size.
            latency_ms: how long the prediction took.
        """
        mask = sample.mask_ids
        ids = resize_ids(predicted_ids, (mask.shape[0], mask.shape[1]))
        count = (mask, ids, len(self._class_names), self._ignore_index)
        self._confusions[len(self._latencies_ms)] = confusion_matrix(*count)
        self._boundary += confusion_matrix(*count, within=boundary_band(mask))
        bands = boundary_bands(mask, tuple(self._trimap))
        for confusion, band in zip(self._trimap.values(), bands, strict=True):
            confusion += confusion_matrix(*count, within=band)
        self._latencies_ms.append(latency_ms)

    def evaluation(self, contestant: Contestant) -> Evaluation:
        """Return the scores of everything counted so far; at least one image must be.

        Args:
            contestant: whose predictions were counted.
        """
        return Evaluation(
            contestant.runtime.name,
            self._class_names,
            contestant.size_hw,
            self._confusions[: len(self._latencies_ms)],
            self._boundary.copy(),
            np.array(self._latencies_ms),
            time.perf_counter() - self._start,
            contestant.runtime.path,
            self._data,
            tuple(TrimapBand(width, counts) for width, counts in self._trimap.items()),
        )


def evaluate_runtime(
    runtime: Runtime,
    dataset: SegmentationDataset,
    *,
    class_map: ClassMap | None = None,
    trimap: Sequence[int] = (),
    stage: str | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Score a runtime on a data set, image by image.

    Args:
        runtime: a loaded artifact or checkpoint.
        dataset: at least one labelled image.
        class_map: what the runtime's ids mean, where its self-description does not tell.
        trimap: widths of the bands along label boundaries that are also scored alone, in pixels and rising.
        stage: what this is called for people; None names the file and the data set.
        progress: told of each image.

    Raises:
        ArtifactError: when nothing tells what the runtime's ids mean.
        ConfigError: when its classes are not the data set's.
        DataError: for an image or mask that cannot be read.
    """
    contestant = Contestant(runtime, dataset, class_map)
    tally = Tally(dataset, trimap)
    stage = stage or f"evaluating {runtime.path.name} on {dataset.name}"
    progress.begin(stage, len(dataset), "images")
    for index in range(len(dataset)):
        sample = dataset[index]
        tally.add(sample, *contestant.predict(sample.image_hwc))
        progress.advance()
    return tally.evaluation(contestant)
