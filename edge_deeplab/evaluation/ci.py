"""What parity found, for those who read it in CI: JUnit XML, and a short page of Markdown for a pull request."""

from collections import Counter

from edge_deeplab.evaluation.deciding import ParityVerdict
from edge_deeplab.evaluation.scores import finite_or_none
from edge_deeplab.evaluation.verdict import ArtifactParity, ParityReport
from edge_deeplab.junit import Case, Outcome, Suite, junit_xml
from edge_deeplab.text import markdown, markdown_code, size_text

_NO_MENTION = "@<!-- -->"
"""An "@" after which no page of a pull request calls anybody."""


def parity_junit(report: ParityReport, *, fail_inconclusive: bool = False) -> bytes:
    """Return a document of one suite with a case for each artifact and size.

    A file that drops too much is a failure, one that could not be measured an error.

    Args:
        report: what was found.
        fail_inconclusive: what is inconclusive is a failure, too; otherwise it is a skipped test.
    """
    data = report.references[0].data if report.references else ""
    group = f"parity.{data}" if data else "parity"
    cases = [_case(artifact, group, fail_inconclusive) for artifact in report.artifacts]
    cases += [
        Case("parity.explain", str(chain.path), Outcome.ERROR, chain.error)
        for chain in report.chains
        if chain.error is not None
    ]
    title = f"parity with {_reference(report)} on {report.images} images of {data or 'the data'}"
    return junit_xml([Suite(title, cases)])


def _case(artifact: ArtifactParity, group: str, fail_inconclusive: bool) -> Case:
    own, doubt, failure = artifact.evaluation, artifact.doubt, artifact.failure()
    outcome, message = Outcome.PASSED, ""
    if failure is not None:
        measured = artifact.error is None
        outcome, message = Outcome.FAILURE if measured else Outcome.ERROR, str(failure)
    elif doubt is not None:
        outcome, message = Outcome.FAILURE if fail_inconclusive else Outcome.SKIPPED, doubt
    low, high = artifact.delta_interval
    reference = artifact.reference
    figures = {
        "miou": artifact.miou,
        "reference_miou": None if reference is None else reference.miou,
        "delta_miou": artifact.delta_miou,
        "delta_low": low,
        "delta_high": high,
        "max_drop": artifact.max_drop,
        "pixel_agreement": artifact.pixel_agreement,
        "latency_ms": None if own is None else own.latency_ms,
    }
    finite = {n: None if v is None else finite_or_none(v) for n, v in figures.items()}
    seen: dict[str, object] = {
        "verdict": artifact.verdict.value,
        "runtime": artifact.runtime,
        **finite,
        "images": None if own is None else own.images,
        "more_images": artifact.difference.more_images,
    }
    return Case(
        group,
        _name(artifact),
        outcome,
        message,
        [
            *(f"{name}: {value}" for name, value in seen.items() if value is not None),
            *(f"warning: {remark}" for remark in artifact.remarks),
        ],
        0.0 if own is None else float(own.latencies_ms.sum()) / 1000,
        seen,
    )


def parity_markdown(report: ParityReport) -> str:
    """Return a heading that says what came of it, a row for each artifact, and a line for all that is to be known."""
    counts = Counter(artifact.verdict for artifact in report.artifacts)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ParityVerdict if counts[verdict])
    drop = max((artifact.max_drop for artifact in report.artifacts), default=0.0)
    lines = [
        f"### Parity: {told}",
        "",
        f"Reference {_reference_told(report)}; {report.images} images; a loss of at most {drop:g} mIoU points passes, "
        "where the whole 95 % interval shows it.",
        "",
        "| file | mIoU | difference | 95 % interval | pixels that agree | verdict |",
        "|---|---:|---:|---:|---:|---|",
        *map(_row, report.artifacts),
    ]
    told_of = [*map(str, report.failures()), *report.doubts, *report.warnings, *report.remarks]
    lines += ["", *(f"- {_prose(sentence)}" for sentence in told_of)] if told_of else []
    return "\n".join(lines) + "\n"


def _row(artifact: ArtifactParity) -> str:
    own, (low, high) = artifact.evaluation, artifact.delta_interval
    verdict = artifact.verdict.value
    shown = verdict if artifact.passed else f"**{verdict}**"
    name = markdown_code(_name(artifact))
    if own is None:
        return f"| {name} | - | - | - | - | {shown} |"
    interval = f"{low:+z.3f} to {high:+z.3f}" if artifact.difference.has_interval else "-"
    delta, agreement = artifact.delta_miou, artifact.pixel_agreement
    return f"| {name} | {own.miou:.2f} | {delta:+z.3f} | {interval} | {agreement:.5f} | {shown} |"


def _name(artifact: ArtifactParity) -> str:
    """Return what tells a row from the others: the path, and the size of a file that was measured."""
    own = artifact.evaluation
    size = "" if own is None else f" at {size_text(own.size_hw)}"
    return f"{artifact.path}{size}"


def _reference(report: ParityReport) -> str:
    return "the reference" if report.reference_path is None else report.reference_path.name


def _reference_told(report: ParityReport) -> str:
    scores = ", ".join(
        f"{own.miou:.2f} mIoU at {size_text(own.size_hw)}" for own in report.references
    )
    return f"{markdown_code(_reference(report))} ({scores or 'not measured'})"


def _prose(sentence: str) -> str:
    return markdown(sentence).replace("@", _NO_MENTION)
