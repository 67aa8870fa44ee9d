"""JUnit XML, which CI systems show as tests: what a verb found, as suites of cases.

There is no one schema; what is written here is what Jenkins, GitLab and the readers of GitHub Actions share: a
`testsuites` of `testsuite`s with their counts, and per `testcase` its properties, at most one of `failure`, `error` and
`skipped`, and text. Strangers' names become characters that XML 1.0 may hold.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from xml.etree import ElementTree

from edge_deeplab.text import printable, printable_lines


class Outcome(StrEnum):
    """What became of a case; all but a pass are the names of XML elements."""

    PASSED = "passed"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One thing that was tested.

    Args:
        group: what readers list it under; a dot begins a level.
        name: its own.
        outcome: what became of it.
        message: why, in one sentence; none for a pass.
        told: lines that are shown with it.
        seconds: how long it took.
        properties: figures by name; None is left out.
    """

    group: str
    name: str
    outcome: Outcome = Outcome.PASSED
    message: str = ""
    told: Sequence[str] = ()
    seconds: float = 0.0
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """What was tested together, and on what."""

    name: str
    cases: Sequence[Case]


def junit_xml(suites: Sequence[Suite]) -> bytes:
    """Return the document of suites, UTF-8."""
    root = ElementTree.Element("testsuites", {"name": "edge-deeplab", **_counts(suites)})
    for suite in suites:
        head = {"name": printable(suite.name), **_counts([suite])}
        element = ElementTree.SubElement(root, "testsuite", head)
        for case in suite.cases:
            element.append(_case(case))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(suites: Sequence[Suite]) -> dict[str, str]:
    cases = [case for suite in suites for case in suite.cases]
    counted = Counter(case.outcome for case in cases)
    return {
        "tests": str(len(cases)),
        "failures": str(counted[Outcome.FAILURE]),
        "errors": str(counted[Outcome.ERROR]),
        "skipped": str(counted[Outcome.SKIPPED]),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _case(case: Case) -> ElementTree.Element:
    names = {"classname": printable(case.group), "name": printable(case.name)}
    element = ElementTree.Element("testcase", {**names, "time": f"{case.seconds:.3f}"})
    told = {name: value for name, value in case.properties.items() if value is not None}
    if told:
        properties = ElementTree.SubElement(element, "properties")
        for name, value in told.items():
            pair = {"name": printable(name), "value": printable(str(value))}
            ElementTree.SubElement(properties, "property", pair)
    text = printable_lines("\n".join(case.told))
    if case.outcome is not Outcome.PASSED:
        attributes = {"message": printable(case.message)}
        if case.outcome is not Outcome.SKIPPED:
            attributes["type"] = case.outcome.value
        ElementTree.SubElement(element, case.outcome.value, attributes).text = text or None
    elif text:
        ElementTree.SubElement(element, "system-out").text = text
    return element
