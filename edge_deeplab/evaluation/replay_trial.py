"""A device's replay on its way through the images of a parity run, scored as if the device stood here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from pathlib import Path

import numpy as np

from edge_deeplab.data.dataset import Sample, SegmentationDataset
from edge_deeplab.errors import DataError
from edge_deeplab.evaluation.class_map import ClassMap
from edge_deeplab.evaluation.evaluate import Contestant, Tally
from edge_deeplab.evaluation.metrics import Ids, pixel_agreement
from edge_deeplab.evaluation.mistakes import (
    MISTAKES,
    SHOWN,
    Compared,
    Suspicion,
    agreement_if,
    suspect,
)
from edge_deeplab.evaluation.replayed import DeviceReplay, ReplayedMasks
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.evaluation.verdict import ArtifactParity
from edge_deeplab.formats.manifest import content_sha256
from edge_deeplab.formats.replay import Replay, read_replay
from edge_deeplab.formats.sizes import Size
from edge_deeplab.progress import Progress
from edge_deeplab.text import size_text


class ReplayedContestant(Contestant):
    """A replay that speaks the data set's class ids; errors as for `Contestant`.

    Args:
        masks: the class maps.
        dataset: whose ids it is to speak.
        class_map: what the ids mean, where nothing else tells.
    """

    def __init__(
        self, masks: ReplayedMasks, dataset: SegmentationDataset, class_map: ClassMap | None
    ) -> None:
        super().__init__(masks, dataset, class_map)
        self._masks = masks

    def segment(self, sample: Sample) -> tuple[Ids, float]:
        """Return what the device gave for an image, and the milliseconds that it took."""
        ids = self._lookup[self._masks.class_map(sample.name)]
        return ids, self._masks.infer_ms(sample.name)


@dataclass
class ReplayTrial(Trial):
    """One replay; `Trial` says the rest.

    Args:
        files: the trials of this run's files, which are run before it; among them that of the file that the device ran.
        same: that one; None without files.
        device: what the row says beside the scores; None where the replay's document cannot be read.
        shares: fraction of pixels that agree with that file on this machine, one an image.
        beside: the first images, with what the device gave and that file gives here.
    """

    files: Sequence[Trial] = ()
    same: Trial | None = None
    device: DeviceReplay | None = None
    shares: list[float] = field(default_factory=list)
    beside: list[Compared] = field(default_factory=list)

    def read(self, dataset: SegmentationDataset, class_map: ClassMap | None) -> None:
        """Check the whole replay, in place, before anything is scored; a failure becomes the trial's result."""
        with self._keeping_failure():
            account = read_replay(self.path)
            self.runtime, self.device = account.runtime_name, DeviceReplay(account)
            self.same = _same_file(self.path, account, self.files)
            if self.same is not None:
                _check_size(self.path, account, self.same)
                self.description = self.same.description
                self.device = replace(self.device, same_file=self.same.path)
            masks = ReplayedMasks(self.path, account, self.description)
            wanted = dataset.names[: len(dataset)]
            masks.check_photographs(wanted, dataset.names, dataset.name)
            if self.description is None and class_map is None:
                class_map = _own_classes(self.path, account)
            contestant = ReplayedContestant(masks, dataset, class_map)
            names = account.classes if self.description is None else self.description.classes
            lost = masks.count_no_class(wanted, 256 if names is None else len(names))
            self.device = replace(self.device, no_class=None if names is None else lost)
            self.contestant = contestant

    def run(self, sample: Sample, reference_ids: Mapping[Size, Ids]) -> None:
        """Count one image, in place, and compare it with what the same file gave here."""
        super().run(sample, reference_ids)
        if self.contestant is None or self.same is None or self.same.contestant is None:
            return
        if self.ids is not None and self.same.ids is not None:
            self.shares.append(pixel_agreement(self.ids, self.same.ids))
            if len(self.beside) < SHOWN:
                self.beside.append(Compared(sample.image_hwc, self.ids, self.same.ids))

    def against(self, references: Mapping[Size, Evaluation], max_drop: float) -> ArtifactParity:
        """Return the result; arguments as for `Trial.against`."""
        result = super().against(references, max_drop)
        if self.device is None:
            return result
        whole = self.same is not None and self.same.contestant is not None and self.shares
        agreement = float(np.mean(self.shares)) if whole else nan
        return replace(result, replay=replace(self.device, runtime_agreement=agreement))

    def suspect(self, contestant: Contestant) -> Suspicion | None:
        """Return what would explain class maps that differ: from what the same file gives here, else the reference."""
        same = None if self.same is None else self.same.contestant
        if same is None:
            return suspect(self.compared, contestant.class_names, (), lambda *_: 0.0)
        return suspect(
            self.beside,
            contestant.class_names,
            MISTAKES,
            lambda mistake, each: agreement_if(
                mistake, each.image_hwc, each.given, lambda image: same.predict(image)[0]
            ),
        )


def open_replays(
    folders: Sequence[Path],
    files: Sequence[Trial],
    dataset: SegmentationDataset,
    class_map: ClassMap | None,
    progress: Progress,
) -> list[ReplayTrial]:
    """Open replays; one that cannot be scored is a trial that has failed already.

    Args:
        folders: where they lie.
        files: this run's files, opened; among them those that the devices ran.
        dataset: what they will be measured on.
        class_map: what ids mean, where neither file nor replay tells.
        progress: told of each that is opened.
    """
    trials = [ReplayTrial(folder, Tally(dataset), files=files) for folder in folders]
    for trial in trials:
        progress.begin(f"reading the class maps of {trial.path.name}")
        trial.read(dataset, class_map)
    return trials


def _same_file(folder: Path, account: Replay, files: Sequence[Trial]) -> Trial | None:
    """Return the trial of the file that the device ran, at its size where it has several; None where no file came."""
    if not files:
        return None
    hashes = {trial.path: content_sha256(trial.path) for trial in files if trial.path.exists()}
    same = [trial for trial in files if hashes.get(trial.path) == account.model_sha256]
    fitting = [
        trial
        for trial in same
        if trial.contestant is not None and trial.contestant.size_hw == account.size_hw
    ]
    if same:
        return (fitting or same)[0]
    found = ", ".join(f"{path.name} {digest[:12]}" for path, digest in hashes.items()) or "none"
    raise DataError(
        f"{folder} was replayed with a model of sha256 {account.model_sha256[:12]}; of the files that came ({found}) "
        "none has it; the very file that the device ran was expected; name it, or replay with one of these"
    )


def _check_size(folder: Path, account: Replay, same: Trial) -> None:
    if same.contestant is not None and same.contestant.size_hw != account.size_hw:
        found, wanted = map(size_text, (account.size_hw, same.contestant.size_hw))
        raise DataError(
            f"{folder} says that its class maps are {found}, and {same.path} takes {wanted}; the model's own size was "
            "expected; enlarge class maps that the model gives smaller, and do not resize them to the photograph"
        )


def _own_classes(folder: Path, account: Replay) -> ClassMap:
    """Return what the replay itself says that its ids mean."""
    if account.classes is None:
        raise DataError(
            f"{folder} does not tell what its ids mean, and the file that the device ran, which does, did not come; "
            "class names were expected; name that file too, or pass a class map"
        )
    return dict(enumerate(account.classes))
