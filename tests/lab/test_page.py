from dataclasses import replace
from pathlib import Path

from edge_deeplab.checker.observing import RunCost
from edge_deeplab.lab.report import AgainstReference, Cell, Execution, LabReport, LeftOperator
from edge_deeplab.report.known import Page
from edge_deeplab.report.render import render

SCRIPT = "<script>alert(1)</script>"
FULL = Cell(
    "ethos-u55-256", Path("a&b.tflite"), "executed", "Vela", "5.2.0", 3,
    (LeftOperator("RESIZE", SCRIPT, "too \x1b[2J large"),), 0.5, 2, RunCost(12.3, 4, 5, "an estimate"),
    execution=Execution(
        0.99, -0.1, (-0.2, 0.05), 20, 1.5, AgainstReference(Path("r"), 0.3, (0.1, 0.4))
    ), differences=("one more part",),
    predicted_equal=False,
)  # fmt: skip


def write_page(report: LabReport) -> str:
    """Return the page of a lab alone."""
    return render(Page("lab", 0.0, lab=report))


def test_write_page_shows_every_figure_and_no_stranger_writes_markup():
    page = write_page(LabReport((FULL, Cell("d", Path("x"), "predicted", error=SCRIPT))))
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") == 2
    assert "\x1b" not in page
    for text in (
        "a&amp;b.tflite",
        "3 of 4",
        "50.0%",
        "12.3",
        "0.9900",
        "-0.10 [-0.20, +0.05]",
        "+0.30 [+0.10, +0.40]",
        "1.50",
        "leaves RESIZE &lt;script&gt;",
        "ms: an estimate",
        "Asked: 5.2.0",
        ">NO<",
    ):
        assert text in page
    assert "1 predictions held against vendors' own tools, 1 of them otherwise" in page


def test_write_page_folds_many_operators_of_one_reason():
    left = tuple(LeftOperator("QuantizeLinear", f"q{i}", "no <b>kernel") for i in range(81))
    page = write_page(LabReport((replace(FULL, left=left),)))
    assert "<summary>leaves 81 operators: no &lt;b&gt;kernel</summary>" in page
    assert "QuantizeLinear q80" in page
    assert "<details>" not in write_page(LabReport((FULL,)))


def test_write_page_has_a_table_for_each_size_of_a_file():
    cells = [replace(FULL, size_hw=size) for size in ((8, 8), (16, 24))]
    page = write_page(LabReport(tuple(cells)))
    for heading in ("<h3>a&amp;b.tflite at 8x8</h3>", "<h3>a&amp;b.tflite at 16x24</h3>"):
        assert page.count(heading) == 1
    assert page.count("<tr><th") == 2 + 2, "a head and a row each"


def test_report_counts_what_was_compared_and_failed():
    failed = Cell("d", Path("x"), "predicted", error="no")
    report = LabReport((FULL, failed))
    assert (report.compared, report.disagreements, report.failures) == (1, 1, [failed])
    entry = report.to_json()["devices"][0]
    assert entry["operators"] == {"taken": 3, "left": 1}
    assert entry["cost"] == {
        "milliseconds": 12.3, "cycles": 4, "sram_bytes": 5, "note": "an estimate",
    }  # fmt: skip
    assert (entry["images"], entry["delta_interval"]) == (20, [-0.2, 0.05])
