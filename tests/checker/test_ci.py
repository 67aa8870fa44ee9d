"""A check's JUnit file."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from edge_deeplab.checker.ci import check_junit
from edge_deeplab.checker.judging import ProfileReport
from edge_deeplab.checker.report import ArtifactReport, UnreadArtifact
from edge_deeplab.checker.tflite.fix import VersionFix
from edge_deeplab.checker.verdicts import Judgement, Verdict
from edge_deeplab.formats.graph import FileGraph


def profile(name: str, *verdicts: Verdict) -> ProfileReport:
    said = [Judgement("CONV_2D", "conv", None, each, "why", rule="a.rule") for each in verdicts]
    return ProfileReport(name, tuple(said))


def test_junit_has_a_case_for_each_file_and_profile_and_fails_what_is_rejected() -> None:
    graph = FileGraph(Path("a.tflite"), "tflite", {}, ())
    ok, slow, rejected = Verdict.OK, Verdict.SLOW, Verdict.REJECTED
    profiles = (
        profile("tflite-xnnpack", ok, slow, slow),
        profile("tflite-gpu", rejected, rejected, ok),
    )
    judged = ArtifactReport(graph, profiles)
    unjudged = replace(judged, profiles=(), fix=VersionFix(None, error="not mended"))
    lost = UnreadArtifact(Path("lost.onnx"), "lost.onnx does not exist")
    (suite,) = ElementTree.fromstring(check_junit([judged, unjudged, lost]))
    told = [(c.get("classname"), c.get("name"), c[-1].tag, c[-1].get("message")) for c in suite]
    assert told == [
        ("check.tflite-xnnpack", "a.tflite", "system-out", None),
        (
            "check.tflite-gpu",
            "a.tflite",
            "failure",
            "tflite-gpu rejects 2 operators; none was expected",
        ),
        ("check", "a.tflite", "skipped", "none of the profiles named reads tflite files"),
        ("check.fix", "a.tflite", "error", "not mended"),
        ("check", "lost.onnx", "error", "lost.onnx does not exist"),
    ]
    assert suite[0].findtext("system-out") == "slow CONV_2D: why (a.rule), 2 times"
    figures = {each.get("name"): each.get("value") for each in suite[1].iter("property")}
    assert figures == {"ok": "1", "slow": "0", "fallback": "0", "rejected": "2"}
