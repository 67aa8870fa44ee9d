"""The operator report for people: lines and tables that `check` prints."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from edge_deeplab.checker.agreement import PredictedAndObserved
from edge_deeplab.checker.judging import ProfileReport
from edge_deeplab.checker.observing import RunCost
from edge_deeplab.checker.report import ArtifactReport, CheckResult
from edge_deeplab.checker.tflite.fix import VersionFix
from edge_deeplab.checker.tflite.signature_defs import SignatureFinding
from edge_deeplab.checker.tflite.versions import VersionFinding
from edge_deeplab.checker.verdicts import Judgement, Verdict
from edge_deeplab.cli.tables import FittingTable
from edge_deeplab.cli.terminal import Whole, stacked, styled, whole
from edge_deeplab.formats.graph import FileGraph

_STYLES = {
    Verdict.OK: "green",
    Verdict.SLOW: "yellow",
    Verdict.FALLBACK: "magenta",
    Verdict.REJECTED: "bold red",
}
_NARROWEST_TABLE = 110
_MOST_NAMES = 4
"""Operators or layers that a row names before it only counts them."""


def operators_line(graph: FileGraph) -> str:
    """Return format, versions and operator counts: "tflite (schema 3), 87 operators: CONV_2D v1 x43, ..."."""
    versions = ", ".join(f"{name} {version}" for name, version in graph.versions.items())
    counts = ", ".join(
        f"{kind}{'' if version is None else f' v{version}'} x{count}"
        for kind, version, count in graph.count_types()
    )
    return f"{graph.format} ({versions}), {len(graph.operators)} operators: {counts}"


def observed_line(seen: PredictedAndObserved) -> str | Text | None:
    """Return what a tool did with the file; None where it tells nothing of it."""
    observation = seen.observation
    predicted = ", as predicted" if seen.equal else ""
    if observation.refusal is not None:
        return styled(observation.told_refusal, "bold red")
    if (counts := seen.formed) is not None:
        formed = ", ".join(f"{kind} x{count}" for kind, count in counts.items() if count)
        formed = formed or "no convolution"
        return f"{observation.tool} ({observation.runtime}) computes with {formed}{predicted}"
    partitions, cost = observation.partitions, observation.cost
    parts = "" if partitions is None else f" in {_counted(partitions, 'partition')}"
    if observation.left_count is not None:
        left = _counted(observation.left_count, "operator")
        return f"{observation.tool} ({observation.runtime}) left {left} and took the rest{parts}{predicted}"
    if observation.taken is None or observation.left is None:
        return None
    taken = len(observation.taken)
    names = ", ".join(f"{operator.operator} {operator.name}" for _, operator in seen.left)
    return (
        f"{observation.tool} ({observation.runtime}) took {taken} of {taken + len(observation.left)} operators"
        + parts
        + (f"; left: {names}" if names else "")
        + (f"; {_cost(cost)}" if cost else "")
        + predicted
    )


def _cost(cost: RunCost) -> str:
    """Return what a run costs, with the tool's own caveats."""
    told = {
        "ms": cost.milliseconds,
        "cycles": cost.cycles,
        "bytes of its memory": cost.memory_bytes,
    }
    numbers = ", ".join(
        f"{n:,} {unit}" if isinstance(n, int) else f"{n:g} {unit}"
        for unit, n in told.items()
        if n is not None
    )
    return f"{numbers} ({cost.note})" if cost.note else numbers


def fix_line(fix: VersionFix) -> str:
    """Return what mending a file did."""
    if fix.error is not None:
        return "not mended"
    if fix.path is None:
        return "every operator has the opcode version that it needs; nothing was written"
    return (
        f"{fix.path}: {fix.operators} operators have another version, outputs equal in every bit on {fix.inputs} "
        "inputs"
    )


def version_table(findings: Sequence[VersionFinding]) -> FittingTable | None:
    """Return one row for the operators of one builtin with one and the same finding; None where there are none."""
    if not findings:
        return None
    counts = Counter((f.operator, f.version, f.lowest, f.problem, f.consequence) for f in findings)
    title = "opcode versions; check --fix mends them in a copy"
    table = FittingTable("operators", "version", "needs", "", title=title)
    table.add_prose("what follows")
    for (operator, version, lowest, problem, consequence), count in counts.items():
        row = (f"{operator} x{count}", str(version), str(lowest), problem, consequence)
        table.add_row(*row)
    return table


def signature_lines(findings: Sequence[SignatureFinding]) -> list[Text]:
    """Return one line a signature that does not fit its graph: what is wrong with it, and what follows."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.signature, finding.consequence), []).append(finding.problem)
    return [
        styled(f"signature {key!r}:", "yellow")
        + styled(f" {'; '.join(_some(problems))}; {consequence}")
        for (key, consequence), problems in groups.items()
    ]


def placement_line(report: ProfileReport) -> str | None:
    """Return where operators run, by prediction or as observed; None for a profile without an accelerator."""
    if report.partitions is None:
        return None
    share = report.accelerator_share
    work = "" if share is None else f" with {share:.1%} of the multiply-adds"
    told = "observed" if report.decided else "predicted"
    line = f"{told}: {_counted(report.partitions, 'partition')} on the accelerator{work}"
    if report.left_out:
        counts = Counter(left.operator for left in report.left_out)
        line += "; left out: " + ", ".join(f"{kind} x{n}" for kind, n in counts.most_common())
    if stop := report.stopped_at:
        after = (
            "" if stop.share_after is None else f" ({stop.share_after:.1%} of the multiply-adds)"
        )
        line += (
            f"; it stops at {stop.at.operator} {stop.at.name}, "
            f"{_counted(stop.operators_after, 'operator')} before the end{after}"
        )
    return line


def dilated_table(graph: FileGraph) -> FittingTable | None:
    """Return the dilated depthwise convolutions; None where there are none."""
    if not graph.dilated_depthwise:
        return None
    title = "dilated depthwise convolutions"
    table = FittingTable("layer", "name", title=title)
    table.add_numbers("rate", "kernel", "channels")
    for operator in graph.dilated_depthwise:
        convolution = operator.dilated_depthwise
        assert convolution is not None
        form = "" if convolution.form == "native" else f" ({convolution.form})"
        table.add_row(
            operator.module or "-",
            _first_name(operator.name),
            _pair(convolution.rate_hw) + form,
            _pair(convolution.kernel_hw),
            str(convolution.channels),
        )
    return table


def verdict_line(report: ProfileReport) -> Text:
    """Return a profile's title and how many operators have each verdict."""
    counts = [styled(f"{n} {verdict}", _STYLES[verdict]) for verdict, n in report.count().items()]
    title = styled(f"{report.profile} ({report.title}): ")
    return title + Text(", ").join(counts)


def verdict_table(report: ProfileReport, width: int) -> RenderableType | None:
    """Return one row for the operators that are not ok for one and the same reason; None where all are ok.

    Args:
        report: what a profile says.
        width: columns of the terminal; where a table would break words, each row is a stanza.
    """
    groups: dict[tuple[str | None, str], list[Judgement]] = {}
    for verdict in report.verdicts:
        if verdict.verdict is not Verdict.OK:
            groups.setdefault((verdict.rule, verdict.reason), []).append(verdict)
    if not groups:
        return None
    rows = [_verdict_row(verdicts) for verdicts in groups.values()]
    if width < _NARROWEST_TABLE:
        return Group(*(line for row in rows for line in _stanza(row)))
    table = FittingTable("verdict", "operators", "layers")
    table.add_prose("reason", "rule and source", "what mends it")
    for row in rows:
        cells = (row.operators, row.layers, [row.reason], [row.rule, row.source], [row.rewrite])
        word = styled(row.verdict, _STYLES[row.verdict])
        table.add_row(word, *map(stacked, cells), end_section=True)
    return table


def summary_table(results: Sequence[CheckResult]) -> FittingTable:
    """Return a row for each file, size and profile: how many operators have each verdict."""
    table = FittingTable("file", "profile", title="summary")
    table.add_numbers(*Verdict, "partitions", "accelerated")
    for result in results:
        if not isinstance(result, ArtifactReport):
            table.add_row(str(result.path), styled("cannot be read", "bold red"))
            continue
        if not result.profiles:
            table.add_row(result.title, "not judged")
        for profile in result.profiles:
            share = profile.accelerator_share
            table.add_row(
                result.title,
                profile.profile,
                *(_count_cell(verdict, count) for verdict, count in profile.count().items()),
                "" if profile.partitions is None else str(profile.partitions),
                "" if share is None else f"{share:.1%}",
            )
    return table


def _count_cell(verdict: Verdict, count: int) -> str | Text:
    return styled(str(count), _STYLES[verdict]) if count else "0"


@dataclass(frozen=True)
class _Row:
    """What is shown of operators that have one verdict for one reason."""

    verdict: Verdict
    operators: list[str]
    layers: list[str]
    reason: str
    rule: str
    source: str
    rewrite: str


def _verdict_row(verdicts: list[Judgement]) -> _Row:
    first = verdicts[0]
    counts = Counter(verdict.operator for verdict in verdicts)
    operators = [kind if count == 1 else f"{kind} x{count}" for kind, count in counts.items()]
    return _Row(
        first.verdict,
        _some(operators),
        _some(verdict.module or _first_name(verdict.name) for verdict in verdicts),
        first.reason,
        str(first.rule),
        f"{first.source} ({first.confidence}, {first.date})",
        first.rewrite or "-",
    )


def _stanza(row: _Row) -> list[RenderableType]:
    """Return a row as lines below each other, its rule's id in one piece."""
    lines = [f"in {', '.join(row.layers)}", row.reason, f"source: {row.source}"]
    if row.rewrite != "-":
        lines.append(f"what mends it: {row.rewrite}")
    heading = styled(row.verdict, _STYLES[row.verdict]) + styled(f" {', '.join(row.operators)}")
    lines.append(f"rule: {row.rule}")
    return [Whole(heading), *(whole(line, indent=2) for line in lines)]


def _some(names: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(names))
    rest = len(unique) - _MOST_NAMES
    return unique[:_MOST_NAMES] + ([f"and {rest} more"] if rest > 0 else [])


def _first_name(name: str) -> str:
    """Return the first of the names that an operator has of those that were made one."""
    return name.split(";")[0]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _pair(values: tuple[int, int]) -> str:
    return f"{values[0]}x{values[1]}"
