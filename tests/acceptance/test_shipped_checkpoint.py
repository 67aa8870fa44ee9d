"""The main job with the shipped checkpoint: three targets, two precisions, and proof that the files keep its mIoU.

On the rendered set wherever the suite runs; on real photographs where CamVid stands beside the repository. The
full CamVid figures are in docs/results.md; here a slice of them guards against regressions.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.models.checkpoint import load_checkpoint
from edge_deeplab.models.shipped import DEFAULT_CHECKPOINT, resolve_checkpoint
from tests.slow import or_slow

TARGETS = ("coreml", "tflite", "onnx")
ENDINGS = {"coreml": ".mlpackage", "tflite": ".tflite", "onnx": ".onnx"}
EVERY = {f"{target}-{precision}" for target in TARGETS for precision in ("fp32", "fp16")}
SOME = EVERY - {"tflite-fp16", "onnx-fp16"}
"""What is exported every time: TFLite and ONNX only store their weights in fp16, Core ML computes in it."""


def run_json(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """Run a command with --json and return its document."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == exit_code, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.fixture(scope="module", params=[SOME, or_slow(EVERY, False)], ids=["some", "every"])
def exports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """The shipped checkpoint exported to every target, by `target-precision`."""
    folder = str(tmp_path_factory.mktemp("exports"))
    files = {}
    for precision in ("fp32", "fp16"):
        named = [target for target in TARGETS if f"{target}-{precision}" in request.param]
        (asked,) = named if len(named) == 1 else ["all"]
        arguments = ("--target", asked, "--precision", precision, "--output", folder)
        artifacts = run_json("export", *arguments)["artifacts"]
        files |= {f"{a['target']}-{a['precision']}": a for a in artifacts}
    assert set(files) == request.param
    return files


def test_shipped_checkpoint_says_what_it_is() -> None:
    path = resolve_checkpoint(None)
    info = load_checkpoint(path).info
    assert path.stem == DEFAULT_CHECKPOINT
    assert path.stat().st_size < 12 << 20
    assert "non-commercial" in info.licence
    assert info.size_hw == (368, 480)
    assert info.provenance["recipe"]["data"]["splits"] == ["train", "val"]
    assert info.results["CamVid-11 test"]["miou"] >= 65, "what version 0.1 promises"
    assert info.results["rendered street scenes"]["miou"] >= 80


@pytest.mark.slow
def test_shipped_checkpoint_scores_what_it_records_on_the_rendered_set() -> None:
    recorded = load_checkpoint(resolve_checkpoint(None)).info.results["rendered street scenes"]
    measured = run_json("evaluate")
    assert measured["images"] == recorded["images"] == 48
    assert measured["miou"] == pytest.approx(recorded["miou"], abs=0.05)


def test_export_gives_every_target_and_half_the_bytes_in_half_precision(
    exports: dict[str, dict[str, Any]],
) -> None:
    for target in TARGETS:
        whole = exports[f"{target}-fp32"]
        assert Path(whole["path"]).suffix == ENDINGS[target]
        assert whole["operators"]["rejected"] == 0
        if half := exports.get(f"{target}-fp16"):
            assert half["bytes"] < 0.6 * whole["bytes"]


def test_tflite_fp32_is_one_xnnpack_partition(exports: dict[str, dict[str, Any]]) -> None:
    (report,) = run_json("check", exports["tflite-fp32"]["path"])["artifacts"]
    assert report["xnnpack"]["partitions"] == 1
    outside = {operator["operator"] for operator in report["xnnpack"]["left_out"]}
    assert outside <= {"ARG_MAX", "CAST"}


def parity(exports: dict[str, dict[str, Any]], *arguments: str) -> dict[str, dict[str, Any]]:
    """Measure parity of all exports and return the artifacts' results by `target-precision`."""
    document = run_json("parity", *(a["path"] for a in exports.values()), *arguments)
    return {f"{a['target']}-{a['precision']}": a for a in document["artifacts"]}


def assert_kept(results: dict[str, dict[str, Any]], exports: dict[str, dict[str, Any]]) -> None:
    """Each fp32 file within 0.05 points and 0.9995 agreement of the reference, each fp16 file within 0.1 points."""
    assert results.keys() == exports.keys()
    for name, result in results.items():
        limit = 0.05 if name.endswith("fp32") else 0.1
        assert abs(result["delta_miou"]) <= limit, name
        assert result["pixel_agreement"] >= (0.9995 if name.endswith("fp32") else 0.995), name


@pytest.mark.parametrize("limit", ["6", or_slow("12", False)])
def test_parity_on_rendered_scenes_holds_for_every_file(
    limit: str, exports: dict[str, dict[str, Any]]
) -> None:
    assert_kept(parity(exports, "--limit", limit), exports)


@pytest.mark.parametrize("limit", ["8", or_slow("24", False)])
def test_parity_on_photographs_holds_for_every_file(
    limit: str, exports: dict[str, dict[str, Any]], camvid: Path
) -> None:
    results = parity(exports, "--data", str(camvid), "--limit", limit)
    assert_kept(results, exports)
    assert results["onnx-fp32"]["miou"] > 50
