"""What templates show of a page where that takes more than reading a field: matrices, cards, findings, whiskers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from edge_deeplab.checker.report import ArtifactReport
from edge_deeplab.checker.verdicts import Judgement, Verdict
from edge_deeplab.data.inspection.summary import DataSummary
from edge_deeplab.evaluation.drift import DriftChain, LayerDrift
from edge_deeplab.evaluation.score_plot import shares
from edge_deeplab.evaluation.scores import Evaluation
from edge_deeplab.report.known import Entry, Page

MOST_CLASSES = 40
"""Of more classes no matrix is drawn, only what is confused most."""
MOST_CELLS = 60_000
LARGEST_IMAGES = 9_000_000
"""Bytes of all pictures of a page, as they are written in it."""
MOST_SPLITS, MOST_ROWS = 12, 255
"""Of a data set's splits, and of the classes of their labels, in one table."""
_PAIRS, _NAMES, _FINDINGS = 10, 12, 60
_WIDTH, _MARGIN = 130, 6


@dataclass(frozen=True)
class MatrixCell:
    """A share of a true class's pixels, in percent; `heat` from 0 to 9."""

    percent: float
    heat: int
    is_right: bool


@dataclass(frozen=True)
class Confused:
    """Pixels of one class that were called another: ids (-1: none of the classes), and the share of the class's."""

    true: int
    called: int
    percent: float


@dataclass(frozen=True)
class Matrix:
    """Which class is taken for which, by one runtime.

    Args:
        key: 0 for the reference, else the file's number.
        label: what it is called.
        rows: a row a class; none where there are too many.
        pairs: what is confused most, by the number of pixels.
    """

    key: int
    label: str
    rows: tuple[tuple[MatrixCell | None, ...], ...]
    pairs: tuple[Confused, ...]


def matrices(page: Page) -> tuple[Matrix, ...]:
    """Return the confusion matrix of the reference and of every file that was scored."""
    several = [(0, "reference", scored.evaluation) for scored in page.references[:1]]
    several += [
        (entry.number, f"{entry.number} {entry.label}", entry.scored.evaluation)
        for entry in page.scored
        if entry.scored is not None
    ]
    count = len(page.class_infos)
    is_drawn = count <= MOST_CLASSES and len(several) * count**2 <= MOST_CELLS
    return tuple(
        Matrix(key, label, _rows(own) if is_drawn else (), tuple(_pairs(own)))
        for key, label, own in several
    )


def _rows(evaluation: Evaluation) -> tuple[tuple[MatrixCell | None, ...], ...]:
    found = 100 * shares(evaluation)[:, :-1]
    return tuple(
        tuple(_cell(float(v), row == column) for column, v in enumerate(values))
        for row, values in enumerate(found)
    )


def _cell(percent: float, is_right: bool) -> MatrixCell | None:
    if not isfinite(percent):
        return None
    return MatrixCell(
        percent, min(9, int(np.ceil(percent / 11.2))) if percent >= 0.5 else 0, is_right
    )


def _pairs(evaluation: Evaluation) -> Iterator[Confused]:
    wrong = evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    found, columns = shares(evaluation), wrong.shape[1]
    for place in np.argsort(wrong, axis=None)[::-1][:_PAIRS]:
        row, column = divmod(int(place), columns)
        if wrong[row, column]:
            called = column if column < columns - 1 else -1
            yield Confused(row, called, 100 * float(found[row, column]))


@dataclass(frozen=True)
class View:
    """How one file saw a photograph.

    Args:
        number: of the file.
        label: its name.
        agreement: fraction of pixels at which it says what the reference says.
        artifact: address of its class map.
        differences: address of the pixels that differ.
        classes: ids at which they do, the most frequent first.
    """

    number: int
    label: str
    agreement: float
    artifact: str
    differences: str
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Card:
    """A photograph at which files disagree with the reference, at one input size.

    Args:
        name: in the data set.
        size_hw: at which it is shown.
        photograph, truth, reference: addresses.
        variants: the files', the least agreement first.
    """

    name: str
    size_hw: tuple[int, int]
    photograph: str
    truth: str
    reference: str
    variants: tuple[View, ...]

    @property
    def classes(self) -> tuple[int, ...]:
        """Ids at which any of its files differs."""
        return tuple(sorted({c for variant in self.variants for c in variant.classes}))


def cards(page: Page) -> tuple[list[Card], int]:
    """Return the photographs to show, the least agreement first, and how many are left out for the page's bytes."""
    groups: dict[tuple[int, tuple[int, int] | None], list[tuple[Entry, int]]] = {}
    for entry in page.entries:
        for place, image in enumerate(entry.images):
            groups.setdefault((image.index, entry.size_hw), []).append((entry, place))
    found, total, left_out = [], 0, 0
    for group in sorted(groups.values(), key=lambda g: min(e.images[p].agreement for e, p in g)):
        layers = [entry.images[place].layers for entry, place in group]
        size = layers[0].shared.bytes + sum(each.bytes for each in layers)
        if total + size > LARGEST_IMAGES:
            left_out += 1
            continue
        total += size
        found.append(_card(group))
    return found, left_out


def _card(group: Sequence[tuple[Entry, int]]) -> Card:
    images = [(entry, entry.images[place]) for entry, place in group]
    first = images[0][1]
    variants = [
        View(
            entry.number,
            entry.label,
            image.agreement,
            image.layers.artifact,
            image.layers.differences,
            image.classes,
        )
        for entry, image in sorted(images, key=lambda pair: pair[1].agreement)
    ]
    shared = first.layers.shared
    return Card(
        first.name,
        shared.size_hw,
        shared.photograph,
        shared.truth,
        shared.reference,
        tuple(variants),
    )


@dataclass(frozen=True)
class FoundOperators:
    """Operators of one profile with one verdict for one reason.

    Args:
        verdict: what becomes of them.
        kinds: their types with counts.
        count: of them.
        reason: why.
        rewrite: what mends it; empty where nothing does.
        rule: and where it was read or measured.
        source: of the rule.
        names: of the first of them.
    """

    verdict: Verdict
    kinds: str
    count: int
    reason: str
    rewrite: str
    rule: str
    source: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """What one profile says of one file."""

    profile: str
    counts: Counter[Verdict]
    partitions: int | None
    accelerator_share: float | None
    findings: tuple[FoundOperators, ...]


def judged(entry: Entry) -> tuple[Judged, ...]:
    """Return what profiles say of a file's operators, the worst first; those that are ok are only counted."""
    if not isinstance(entry.check, ArtifactReport):
        return ()
    return tuple(
        Judged(
            profile.profile,
            Counter(verdict.verdict for verdict in profile.verdicts),
            profile.partitions,
            profile.accelerator_share,
            tuple(_findings(profile.verdicts))[:_FINDINGS],
        )
        for profile in entry.check.profiles
    )


def _findings(verdicts: Sequence[Judgement]) -> list[FoundOperators]:
    groups: dict[tuple[Verdict, str, str], list[Judgement]] = {}
    for verdict in verdicts:
        if verdict.verdict is not Verdict.OK:
            groups.setdefault((verdict.verdict, verdict.reason, verdict.rewrite or ""), []).append(
                verdict
            )
    found = [_finding(group) for group in groups.values()]
    return sorted(found, key=lambda f: (-f.verdict.severity, -f.count))


def _finding(group: Sequence[Judgement]) -> FoundOperators:
    first, kinds = group[0], Counter(judgement.operator for judgement in group)
    return FoundOperators(
        first.verdict,
        ", ".join(f"{kind} ×{n}" if n > 1 else kind for kind, n in kinds.most_common(6)),
        len(group),
        first.reason,
        first.rewrite or "",
        first.rule or "",
        first.source or "",
        tuple(j.module or j.name for j in group[:_NAMES]),
    )


@dataclass(frozen=True)
class Whisker:
    """An interval on an axis that all files share, in pixels of its view box."""

    low: float
    middle: float
    high: float
    zero: float
    limit: float
    width: int = _WIDTH


def whiskers(page: Page) -> dict[int, Whisker]:
    """Return the interval of each scored file's difference, by its number."""
    told = {
        entry.number: (
            entry.parity.delta_interval[0],
            entry.parity.delta_miou,
            entry.parity.delta_interval[1],
        )
        for entry in page.scored
        if entry.parity is not None
    }
    told = {number: values for number, values in told.items() if all(map(isfinite, values))}
    ends = [value for values in told.values() for value in values]
    low, high = min([-page.max_drop, 0.0, *ends]), max([0.0, *ends])
    scale = (_WIDTH - 2 * _MARGIN) / ((high - low) or 1)

    def place(value: float) -> float:
        return round(_MARGIN + (value - low) * scale, 1)

    return {
        number: Whisker(place(least), place(delta), place(most), place(0.0), place(-page.max_drop))
        for number, (least, delta, most) in told.items()
    }


def weakest(chain: DriftChain, count: int = 6) -> tuple[LayerDrift, ...]:
    """Return the layers that any step leaves worst, the worst first."""
    ordered = sorted(chain.layers, key=lambda layer: min(layer.snr_db.values(), default=0.0))
    return tuple(ordered[:count])


@dataclass(frozen=True)
class ClassShares:
    """How much of each split's labelled pixels is of a class: the first splits and classes of a data set.

    Args:
        splits: names, each with its number of images.
        rows: classes, each with its percentage in each of those splits.
        more_splits: that are not shown.
        more_rows: classes that are not shown.
    """

    splits: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    more_splits: int
    more_rows: int


def class_shares(summary: DataSummary) -> ClassShares:
    """Return the shares of the classes that any split holds, in the order they are first met."""
    shown = list(summary.splits.items())[:MOST_SPLITS]
    names = list(dict.fromkeys(n for split in summary.splits.values() for n in split.class_share))
    rows = [
        (name, tuple(100 * split.class_share.get(name, 0) for _, split in shown))
        for name in names[:MOST_ROWS]
    ]
    return ClassShares(
        tuple((name, split.images) for name, split in shown),
        tuple(rows),
        len(summary.splits) - len(shown),
        len(names) - len(rows),
    )
