"""Flicker: how many pixels of a film change their class where nothing changed, with and without smoothing over time.

Films with labels on every frame and known motion are rare, so they are made of photographs (`evaluation.motion`). One
pass: each frame goes once through the reference, at every file's size, and through every file; each smoothing works on
what came out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_deeplab.data.dataset import Sample, SegmentationDataset, is_data_folder
from edge_deeplab.data.photographs import PhotographFolder
from edge_deeplab.errors import ConfigError, DataError
from edge_deeplab.evaluation.evaluate import Contestant
from edge_deeplab.evaluation.flicker_report import FlickerReport
from edge_deeplab.evaluation.flicker_trial import FlickerTrial
from edge_deeplab.evaluation.motion import FRAMES, moved_frames
from edge_deeplab.evaluation.reference import choose_reference, open_reference
from edge_deeplab.evaluation.request import ScoringRequest
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.read import sizes_of
from edge_deeplab.formats.sizes import Size
from edge_deeplab.progress import SILENT, Progress

if TYPE_CHECKING:
    from edge_deeplab.models.checkpoint import Checkpoint

Photographs = SegmentationDataset | PhotographFolder


@dataclass(frozen=True, kw_only=True)
class FlickerRequest(ScoringRequest):
    """Of which files flicker is measured, and on which photographs: `data` may also be a folder of them without labels.

    Args:
        artifacts: exported files, or folders that export wrote; None for those of `exports/`.
        reference: as for `ParityRequest`.

    Raises:
        ConfigError: as for `ScoringRequest`.
    """

    artifacts: tuple[Path, ...] | None = None
    reference: "str | Checkpoint | None" = None

    def open_photographs(self) -> Photographs:
        """Return the photographs, labelled where they are.

        Raises:
            ConfigError: when labels are to be mapped that are not there; as for `open_data`.
            DataError: as for `open_data` and `PhotographFolder`.
        """
        if self.data is None or is_data_folder(self.data):
            return self.open_data()
        given = {"label_map": self.label_map, "class_map": self.class_map}
        for name in (name for name, value in given.items() if value is not None):
            raise ConfigError(
                f"a {name.replace('_', ' ')} came with photographs that have no labels, in {self.data}; a labelled "
                "folder was expected with it; name one, or leave the map out"
            )
        return PhotographFolder(self.data, limit=self.limit, max_pixels=self.max_pixels)


def measure_flicker(request: FlickerRequest, progress: Progress = SILENT) -> FlickerReport:
    """Measure how class maps of files and of their reference flicker, as they are and smoothed over time.

    Args:
        request: what is asked for.
        progress: told of each file that is opened and of each prediction.

    Raises:
        ConfigError: as for `evaluation.parity.parity`.
        CheckpointError: when the reference is not found.
        DataError: when there is no photograph, or one cannot be read.
        MissingDependencyError: without torch, which runs the reference.
    """
    paths = expand_artifacts(request.artifacts)
    photographs, class_map = request.open_photographs(), request.read_class_map()
    labelled = None if isinstance(photographs, PhotographFolder) else photographs
    trials = [FlickerTrial(path, listed_hw=size) for path in paths for size in sizes_of(path)]
    for trial in trials:
        progress.begin(f"opening {trial.path.name}")
        trial.open(request.open_file, labelled, class_map)
        trial.prepare(labelled)
    references = _open_references(trials, request, labelled, progress)
    run_sequences(trials, references, photographs, progress)
    return FlickerReport(
        photographs.name,
        len(photographs),
        labelled is not None,
        tuple(reference.result() for reference in references.values()),
        tuple(trial.result() for trial in trials),
    )


def _open_references(
    trials: Sequence[FlickerTrial],
    request: FlickerRequest,
    labelled: SegmentationDataset | None,
    progress: Progress,
) -> dict[Size, FlickerTrial]:
    """Return the reference at each size that an opened file has; none where none was opened."""
    opened = [trial for trial in trials if trial.contestant is not None]
    if not opened:
        return {}
    named = {t.path: t.description for t in opened if t.description is not None}
    checkpoint = choose_reference(request.reference, named, progress)
    references: dict[Size, FlickerTrial] = {}
    for size in dict.fromkeys(t.contestant.size_hw for t in opened if t.contestant is not None):
        progress.begin(f"loading torch and the reference at {size[0]}x{size[1]}")
        runtime = open_reference(checkpoint, size)
        reference = FlickerTrial(
            runtime.path,
            contestant=Contestant(runtime, labelled),
            runtime=runtime.name,
            description=runtime.description,
        )
        reference.prepare(labelled)
        references[size] = reference
    return references


def run_sequences(
    trials: Sequence[FlickerTrial],
    references: Mapping[Size, FlickerTrial],
    photographs: Photographs,
    progress: Progress,
) -> None:
    """Run the sequence of each photograph through the references and every opened file, and count, in place.

    Args:
        trials: the files, opened and prepared.
        references: the reference by size.
        photographs: at least one.
        progress: told of each prediction.

    Raises:
        DataError: when there is no photograph, or one cannot be read.
        EdgeDeepLabError: whatever the reference itself fails with.
    """
    if not len(photographs):
        raise DataError(f"{photographs.name} has no photographs; at least one was expected")
    at_size: dict[Size, list[FlickerTrial]] = {size: [each] for size, each in references.items()}
    for trial in trials:
        if trial.contestant is not None:
            at_size[trial.contestant.size_hw].append(trial)
    runs = sum(map(len, at_size.values()))
    predictions = len(photographs) * FRAMES * runs
    stage = f"flicker of {runs - len(references)} files on {photographs.name}"
    progress.begin(stage, predictions, "predictions")
    for index in range(len(photographs) if runs else 0):
        sample = photographs[index]
        mask_ids = sample.mask_ids if isinstance(sample, Sample) else None
        for size, (reference, *files) in at_size.items():
            for each in (reference, *files):
                each.begin()
            for frame in moved_frames(sample.image_hwc, mask_ids, size, index):
                reference.count(frame)
                progress.advance()
                for file in files:
                    file.run(frame)
                    progress.advance()
