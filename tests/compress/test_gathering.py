"""What a run's folder holds beside its steps: this run's results, and what others have put there."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_deeplab.compress.chain import compress
from edge_deeplab.compress.gathering import outputs_of
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.report import ChainReport, StageReport
from edge_deeplab.config import CompressRecipe
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.models.checkpoint import Checkpoint
from edge_deeplab.outputs import write_all


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("stand_ins")
def test_results_of_an_earlier_recipe_are_removed_and_nothing_else(
    checkpoint: Checkpoint, recipe: CompressRecipe, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    prune = {**recipe.model_dump()["prune"], "optimiser": {"epochs": 0}}

    def run(**sections: Any) -> None:
        chosen = CompressRecipe.model_validate(sections)
        compress(checkpoint, chosen, Job(DataFolder(data), output, 0))

    files = {"targets": ["onnx", "tflite"], "precisions": ["fp32"]}
    run(prune=prune, export=files, parity={"max_drop": 100})
    assert names_in(output / "checkpoints") == {"tiny-pruned.safetensors"}
    assert len(names_in(output / "exports")) == 5
    assert (output / "pareto.png").is_file()

    own = [output / "checkpoints" / "own.safetensors", output / "exports" / "own.onnx"]
    own += [output / "tiny", tmp_path / "own.txt"]
    for path in own:
        path.write_text("mine")
    report = json.loads((output / "report.json").read_text())
    strange = ["../own.txt", str(tmp_path / "own.txt"), "exports/..", "exports", ".", ""]
    report["files"] += [{"path": path, "miou": None} for path in strange]
    (output / "report.json").write_text(json.dumps(report))

    run(export={"targets": ["onnx"], "precisions": ["fp32"]})
    assert names_in(output / "checkpoints") == {"own.safetensors"}
    assert names_in(output / "exports") == {"own.onnx", "tiny-fp32.onnx", "manifest.json"}
    manifest = json.loads((output / "exports" / "manifest.json").read_text())
    assert [entry["file"] for entry in manifest["artifacts"]] == ["tiny-fp32.onnx"]
    assert not (output / "pareto.png").exists()

    run(prune=prune)
    assert names_in(output / "exports") == {"own.onnx"}
    assert names_in(output / "checkpoints") == {"own.safetensors", "tiny-pruned.safetensors"}
    assert all(path.read_text() == "mine" for path in own)


def test_files_behind_a_link_are_never_removed(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for folder in (output / "checkpoints", elsewhere):
        folder.mkdir(parents=True)
    (output / "exports").symlink_to(elsewhere)
    for path in (output / "checkpoints" / "old.safetensors", elsewhere / "thesis.pdf"):
        path.write_text("old")
    listed = {"stages": [{"checkpoint": "checkpoints/old.safetensors", "training": {"epochs": 1}}]}
    listed["files"] = [{"path": "exports/thesis.pdf", "miou": None}]
    (output / "report.json").write_text(json.dumps(listed))
    reference = StageReport("reference", "a", "0" * 64, 1, 1, (32, 48), None)
    report = ChainReport([reference], None, None, [], [], [])
    write_all(report, outputs_of(output, [], [], report))
    assert names_in(elsewhere) == {"thesis.pdf"}
    assert names_in(output / "checkpoints") == set()


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("content", ["", "[]", '{"files": [{}], "stages": []}'])
def test_report_that_cannot_be_read_removes_nothing(
    content: str, checkpoint: Checkpoint, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    (output / "exports").mkdir(parents=True)
    (output / "exports" / "old.onnx").write_text("old")
    (output / "report.json").write_text(content)
    export = {"targets": ["onnx"], "precisions": ["fp32"]}
    compress(
        checkpoint,
        CompressRecipe.model_validate({"export": export}),
        Job(DataFolder(data), output, 0),
    )
    assert "old.onnx" in names_in(output / "exports")
