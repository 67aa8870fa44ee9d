"""`report` from the command to the page, on a tiny file and on files that fail."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import edge_deeplab as ed
from edge_deeplab.cli.app import app
from edge_deeplab.compress.report import ChainReport
from edge_deeplab.errors import DataError, UnwrittenError
from edge_deeplab.evaluation.verdict import ParityReport
from edge_deeplab.outputs import write_all
from edge_deeplab.report import watching, writing
from edge_deeplab.report.known import Page


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest shipped network as an ONNX file of 64x96."""
    folder = tmp_path_factory.mktemp("exports")
    ed.export("camvid-mobilenet-edgetpu-nano", "onnx", size_hw=(64, 96), output=folder)
    return folder


def test_report_writes_a_page_plots_and_one_document(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_text("nothing")
    page, plots = tmp_path / "page.html", tmp_path / "plots"
    result = CliRunner().invoke(
        app,
        [
            *("report", str(exported), str(tmp_path / "broken.onnx"), "--limit", "3"),
            *("--rounds", "2", "--drift-images", "1", "--output", str(page)),
            *("--png", str(plots), "--json"),
        ],
    )
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["path"] == str(page)
    assert document["bytes"] == page.stat().st_size < 15e6
    good, broken = document["artifacts"]
    assert good["delta_interval"][0] <= good["delta_miou"] <= good["delta_interval"][1]
    assert good["bench_ms"]["median"] > 0
    assert sum(good["operators"].values()) > 50
    assert "broken.onnx" in broken["errors"][0]
    assert "failed: " in result.stderr
    text = page.read_text()
    for section in ("model", "lineage", "classes", "cost", "operators", "drift", "data"):
        assert f'id="{section}"' in text
    assert {"boundary.png", "pareto-size.png", "confusion-1.png"} <= {
        p.name for p in plots.iterdir()
    }


def test_report_of_files_that_cannot_be_opened_scores_no_checkpoint(tmp_path: Path) -> None:
    page, missing = tmp_path / "page.html", tmp_path / "missing.onnx"
    result = CliRunner().invoke(
        app, ["report", str(missing), "--limit", "2", "--output", str(page), "--json"]
    )
    assert result.exit_code == 0, result.stderr
    text = page.read_text()
    assert "None of 1 files could be scored" in text
    assert "missing.onnx does not exist" in text
    assert "camvid-" not in text


def test_report_of_a_run_alone_scores_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.csv").write_text("epoch,loss,validation_miou,seconds\n1,2.0,30,1\n2,1.0,40,1\n")
    shipped = ed.load("camvid-mobilenet-edgetpu-nano").path
    (run / "best.safetensors").write_bytes(shipped.read_bytes())
    pages = []
    monkeypatch.setattr(writing, "render", lambda page: pages.append(page) or "page")
    written = ed.report(run, output=tmp_path / "page.html", limit=2)
    assert written.entries == ()
    (page,) = pages
    assert page.title == "run"
    assert page.references[0].evaluation.images == 2
    assert page.references[0].bands
    assert page.curves[0].miou == ((1, 30), (2, 40))


def test_parity_writes_its_result_as_a_page(exported: Path, tmp_path: Path) -> None:
    page = tmp_path / "parity.html"
    result = CliRunner().invoke(
        app, ["parity", str(exported), "--limit", "2", "--html", str(page), "--max-drop", "9"]
    )
    assert result.exit_code == 0, result.stderr
    text = page.read_text()
    assert 'id="disagreement"' in text or "100.00" in text
    assert 'id="operators"' not in text


def test_parity_prints_its_result_where_its_page_fails(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(page: Page) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(writing, "render", fail)
    page = tmp_path / "parity.html"
    page.write_text("before")
    asked = ["parity", str(exported), "--limit", "2", "--html", str(page), "--max-drop", "9"]
    result = CliRunner().invoke(app, [*asked, "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["artifacts"][0]["miou"] > 0
    assert document["error"].endswith("the result stands: OSError: disk full")
    assert result.stderr.splitlines()[-1] == f"error: {document['error']}"
    assert page.read_text() == "before"


def test_scores_go_on_where_watching_for_the_page_fails(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no band")

    monkeypatch.setattr(watching, "resize_ids", fail)
    with pytest.raises(UnwrittenError, match="ValueError: no band") as caught:
        ed.parity(exported, limit=2, html=tmp_path / "parity.html")
    found = caught.value.result
    assert isinstance(found, ParityReport)
    assert found.artifacts[0].evaluation is not None
    assert found.artifacts[0].evaluation.images == 2


def test_compress_tells_its_result_where_its_page_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_dataset: Callable[..., Path]
) -> None:
    from edge_deeplab.compress import chain

    def fail(*_: object) -> None:
        raise DataError("an image is gone; it was expected; put it back")

    found = ChainReport((), None, None, (), (), ("one",))
    monkeypatch.setattr(chain, "compress", lambda *given: write_all(found, given[3]))
    monkeypatch.setattr(writing, "write_report", fail)
    told = "the result stands: an image is gone; it was expected; put it back"
    with pytest.raises(UnwrittenError, match=told) as caught:
        ed.compress(
            "camvid-mobilenetv2",
            data=make_dataset("test", count=1),
            recipe={"export": {"precisions": ["fp32"]}},
            output=tmp_path / "run",
            html=tmp_path / "page.html",
        )
    assert caught.value.result is found


def test_page_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, make_dataset: Callable[..., Path]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    result = CliRunner().invoke(app, ["report", str(tmp_path / "none"), "--data", "absent",
                                      "--output", str(page)])  # fmt: skip
    assert result.exit_code == 1
    assert page.read_text() == "before"


def test_compress_writes_the_page_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_dataset: Callable[..., Path]
) -> None:
    """The chain itself is tested where it stands; here it is done already."""
    from edge_deeplab.compress import chain

    asked = []
    monkeypatch.setattr(chain, "compress", lambda *given: write_all("done", given[3]) or "done")
    monkeypatch.setattr(writing, "write_report", lambda request, *_: asked.append(request))
    recipe = {"export": {"precisions": ["fp32"]}, "parity": {"split": "test", "max_drop": 2.0}}
    data, page = make_dataset("test", count=1), tmp_path / "page.html"
    output = tmp_path / "run"
    done = ed.compress("camvid-mobilenetv2", data=data, recipe=recipe, output=output, html=page)
    assert done == "done"
    (request,) = asked
    assert request.paths == (output,)
    assert (request.output, request.max_drop, request.data) == (page, 2.0, data)
    assert Path(request.reference).name == "camvid-mobilenetv2.safetensors"
