"""The chain's report, put together from the stages and what was measured of their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.compress.measures import Exported
from edge_deeplab.compress.report import (
    CHECKPOINTS_FOLDER,
    EXPORTS_FOLDER,
    ChainReport,
    ExportScores,
    FileReport,
    Scores,
    StageReport,
    Times,
    TrainingTime,
)
from edge_deeplab.compress.stages import Stage
from edge_deeplab.compress.steps import Finished
from edge_deeplab.config import ParitySection
from edge_deeplab.evaluation.cost import count_network
from edge_deeplab.evaluation.deciding import ParityVerdict, ScoreDifference
from edge_deeplab.formats.manifest import content_bytes
from edge_deeplab.targets import TargetName
from edge_deeplab.training.log import LOG_FILE, read_log


@dataclass(frozen=True)
class Measured:
    """The files of one stage in one precision and what is known of them.

    Args:
        exported: the files.
        verdicts: by target, how many operators have each verdict.
        scores: from `measures.parity`; None where nothing was scored.
        times: what was timed, by target.
    """

    exported: Exported
    verdicts: Mapping[TargetName, Mapping[Verdict, int]]
    scores: ExportScores | None
    times: Mapping[TargetName, Times]


def summarise(
    stages: Sequence[Stage],
    measured: Sequence[Measured],
    section: ParitySection | None,
    finished: Sequence[Finished],
) -> ChainReport:
    """Return the report.

    Args:
        stages: the reference first.
        measured: their files.
        section: says which loss passes; None where nothing was scored.
        finished: the steps, in order.
    """
    described = {stage.name: _describe_stage(stage) for stage in stages}
    found = [
        (_difference(part, target, section), part, target)
        for part in measured
        for target in part.exported.files
    ]
    files = [
        (_describe_file(part, target, described[part.exported.stage.name], difference), difference)
        for difference, part, target in found
    ]
    scored = next((part.scores for part in measured if part.scores is not None), None)
    return ChainReport(
        stages=tuple(described.values()),
        miou=None if scored is None else scored.reference_miou,
        images=None if scored is None else scored.images,
        files=[file for file, _ in files],
        steps=[(step.step, step.key) for step in finished],
        failures=[sentence for file in files for sentence in _failures(*file)],
        doubts=[
            f"{file.path} {difference.doubt}"
            for file, difference in files
            if difference is not None and difference.verdict is ParityVerdict.INCONCLUSIVE
        ],
    )


def _describe_stage(stage: Stage) -> StageReport:
    checkpoint = stage.checkpoint
    cost = count_network(checkpoint.build(), checkpoint.info.size_hw)
    made, kept = stage.made_by, f"{CHECKPOINTS_FOLDER}/{checkpoint.path.name}"
    return StageReport(
        stage=stage.name,
        checkpoint=checkpoint.name if made is None else kept,
        sha256=checkpoint.sha256,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        size_hw=checkpoint.info.size_hw,
        training=None if made is None else _training_time(made.folder),
    )


def _training_time(folder: Path) -> TrainingTime:
    """Return what the logs of a training's rounds say that it took."""
    epochs = [epoch for log in sorted(folder.rglob(LOG_FILE)) for epoch in read_log(log)]
    seconds = sum(epoch.seconds for epoch in epochs if isfinite(epoch.seconds))
    return TrainingTime(len(epochs), round(seconds / 60, 1))


def _difference(
    part: Measured, target: TargetName, section: ParitySection | None
) -> ScoreDifference | None:
    """Return what is known of a file's loss; None where nothing was scored."""
    if section is None or part.scores is None:
        return None
    scores = part.scores.files[target]
    delta = nan if scores.delta_miou is None else scores.delta_miou
    low, high = (nan if v is None else v for v in scores.delta_interval or (None, None))
    return ScoreDifference(delta, (low, high), part.scores.images, section.max_drop)


def _describe_file(
    part: Measured, target: TargetName, stage: StageReport, difference: ScoreDifference | None
) -> FileReport:
    path = part.exported.files[target]
    scores = Scores() if part.scores is None else part.scores.files[target]
    return FileReport(
        stage=stage,
        target=target,
        precision=part.exported.precision,
        path=f"{EXPORTS_FOLDER}/{path.name}",
        bytes=content_bytes(path),
        operators=part.verdicts[target],
        scores=scores,
        times=part.times.get(target),
        verdict=None if difference is None else difference.verdict,
    )


def _failures(file: FileReport, difference: ScoreDifference | None) -> list[str]:
    """Return one sentence for everything that is wrong with a file."""
    sentences = []
    if rejected := file.operators[Verdict.REJECTED]:
        sentences.append(
            f"{file.path} has {rejected} operators that a profile rejects; none was expected; "
            "edge-deeplab check names them"
        )
    if difference is not None and difference.verdict is ParityVerdict.FAILED:
        sentences.append(
            f"{file.path} differs from the reference by {difference.delta:+.3f} mIoU points; a loss of at most "
            f"{difference.max_drop:g} was expected; train longer, compress less, or set parity.max_drop"
        )
    return sentences
