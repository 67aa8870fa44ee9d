"""What parity tells CI systems."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from edge_deeplab.evaluation.ci import parity_junit, parity_markdown
from edge_deeplab.evaluation.deciding import ParityVerdict
from edge_deeplab.evaluation.mistakes import Suspicion
from edge_deeplab.evaluation.parity import measure_parity, open_trials


@pytest.fixture
def report(runtime, dataset):
    """A file of each kind: equal to the reference, near the limit, far below it, and one that crashes."""
    named = {
        "good.onnx": {},
        "far.tflite": {"wrong_rows": 4},
        "crash.tflite": {"fails_at": 0},
        "near.onnx": {"wrong_rows": 1},
    }
    runtimes = {Path(name): runtime(name, **how) for name, how in named.items()}
    trials = open_trials(list(runtimes), lambda path, size_hw: runtimes[path], dataset)
    found = measure_parity(
        trials, Path("best.safetensors"), lambda size: runtime("r", size_hw=size), dataset
    )
    *others, near = found.artifacts
    low, high = -0.9, -0.1
    near = replace(near, delta_interval=(low, high), max_drop=0.5)
    return replace(found, artifacts=(*others, near))


def cases(document: bytes) -> dict[str, list[str]]:
    root = ElementTree.fromstring(document)
    return {
        case.get("name"): [child.tag for child in case if child.tag != "properties"]
        for case in root.iter("testcase")
    }


def test_report_has_a_verdict_for_each_file_and_the_worst_for_all(report):
    verdicts = [artifact.verdict for artifact in report.artifacts]
    passed, failed, still = ParityVerdict.PASSED, ParityVerdict.FAILED, ParityVerdict.INCONCLUSIVE
    assert verdicts == [passed, failed, failed, still]
    assert [artifact.passed for artifact in report.artifacts] == [True, False, False, False]
    document = report.to_json()
    assert (document["verdict"], document["passed"]) == ("failed", False)
    assert [entry["verdict"] for entry in document["artifacts"]] == verdicts
    assert len(report.failures()) == 2
    assert [doubt.split(" ", 1)[0] for doubt in report.doubts] == ["near.onnx"]


def test_junit_shows_what_is_inconclusive_as_skipped_or_as_a_failure(report):
    expected = {
        "good.onnx at 8x8": ["system-out"],
        "far.tflite at 8x8": ["failure"],
        "crash.tflite": ["error"],
        "near.onnx at 8x8": ["skipped"],
    }
    assert cases(parity_junit(report)) == expected
    expected["near.onnx at 8x8"] = ["failure"]
    assert cases(parity_junit(report, fail_inconclusive=True)) == expected


def test_junit_holds_the_figures_of_each_file(report):
    root = ElementTree.fromstring(parity_junit(report))
    good = next(case for case in root.iter("testcase") if case.get("name").startswith("good"))
    figures = {each.get("name"): each.get("value") for each in good.iter("property")}
    assert figures["verdict"] == "passed"
    assert (figures["delta_miou"], figures["delta_low"]) == ("0.0", "0.0")
    assert figures["images"] == str(report.images)
    assert "more_images" not in figures
    assert good.get("classname") == "parity.spelled"


def test_markdown_has_the_counts_a_row_a_file_and_a_line_for_what_did_not_pass(report):
    text = parity_markdown(report)
    assert text.startswith("### Parity: 1 passed, 2 failed, 1 inconclusive\n")
    assert "| `good.onnx at 8x8` | 100.00 | +0.000 | +0.000 to +0.000 | 1.00000 | passed |" in text
    assert "| `crash.tflite` | - | - | - | - | **failed** |" in text
    assert "-0.900 to -0.100" in text
    assert sum(line.startswith("- ") for line in text.splitlines()) == 3


def test_markdown_reads_nothing_in_strangers_names(report):
    name = "@everyone|`x`<img src=x>\n# a.onnx"
    artifact = replace(report.artifacts[2], path=Path(name), error=f"{name} does not exist")
    text = parity_markdown(replace(report, artifacts=(artifact,), reference_path=None))
    (row,) = [line for line in text.splitlines() if line.startswith("| `")]
    assert row.startswith("| ``@everyone\\|`x`<img src=x>\ufffd# a.onnx`` |")
    (line,) = [line for line in text.splitlines() if line.startswith("- ")]
    assert line.startswith("- @<!-- -->everyone\\|\\`x\\`\\<img src=x\\>\ufffd# a.onnx")


def test_of_one_image_there_is_no_verdict_but_that_it_settles_nothing(runtime, dataset):
    dataset.masks = dataset.masks[:1]
    trials = open_trials([Path("a.onnx")], lambda path, size_hw: runtime("a.onnx"), dataset)
    found = measure_parity(trials, None, lambda size: runtime("r", size_hw=size), dataset)
    assert found.artifacts[0].verdict is ParityVerdict.INCONCLUSIVE
    assert np.isnan(found.artifacts[0].delta_interval).all()
    assert found.to_json()["artifacts"][0]["delta_interval"] == [None, None]
    assert "1 image gives no interval" in found.doubts[0]
    assert cases(parity_junit(found)) == {"a.onnx at 8x8": ["skipped"]}
    assert "| - | 1.00000 | **inconclusive** |" in parity_markdown(found)


def test_what_is_wrong_with_a_file_that_passes_is_told_in_both(report):
    suspicion = Suspicion("ids were one too high", 0.4, 0.99, 4)
    good = replace(report.artifacts[0], suspicion=suspicion)
    told = replace(report, artifacts=(good,))
    assert good.passed
    assert f"- good.onnx: {suspicion.sentence()}" in parity_markdown(told)
    root = ElementTree.fromstring(parity_junit(told))
    (out,) = [text.text for text in root.iter("system-out")]
    assert f"warning: {suspicion.sentence()}" in out
