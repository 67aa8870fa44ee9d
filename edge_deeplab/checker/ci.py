"""What a check found as JUnit XML: a case for each file, size and profile; a rejected operator is a failure."""

from collections import Counter
from collections.abc import Sequence

from edge_deeplab.checker.judging import ProfileReport
from edge_deeplab.checker.report import ArtifactReport, CheckResult
from edge_deeplab.checker.verdicts import Verdict
from edge_deeplab.junit import Case, Outcome, Suite, junit_xml

_GROUP = "check"


def check_junit(results: Sequence[CheckResult]) -> bytes:
    """Return a document of one suite; a file that cannot be read, or was not mended, is an error."""
    return junit_xml([Suite("check", [case for result in results for case in _cases(result)])])


def _cases(result: CheckResult) -> list[Case]:
    if not isinstance(result, ArtifactReport):
        return [Case(_GROUP, str(result.path), Outcome.ERROR, result.error)]
    cases = [_case(result, profile) for profile in result.profiles]
    if not cases:
        reason = f"none of the profiles named reads {result.graph.format} files"
        cases = [Case(_GROUP, result.title, Outcome.SKIPPED, reason)]
    if result.fix is not None and result.fix.error is not None:
        cases.append(Case(f"{_GROUP}.fix", result.title, Outcome.ERROR, result.fix.error))
    return cases


def _case(report: ArtifactReport, profile: ProfileReport) -> Case:
    counts = profile.count()
    reasons = Counter(
        f"{found.verdict} {found.operator}: {found.reason} ({found.rule})"
        for found in profile.verdicts
        if found.verdict is not Verdict.OK
    )
    rejected = counts[Verdict.REJECTED]
    message = f"{profile.profile} rejects {rejected} operators; none was expected"
    return Case(
        f"{_GROUP}.{profile.profile}",
        report.title,
        Outcome.FAILURE if rejected else Outcome.PASSED,
        message if rejected else "",
        [
            *report.warnings,
            *(f"{reason}, {count} times" for reason, count in reasons.items()),
        ],
        properties={
            **{verdict.value: number for verdict, number in counts.items()},
            "partitions": profile.partitions,
            "accelerator_share": profile.accelerator_share,
        },
    )
