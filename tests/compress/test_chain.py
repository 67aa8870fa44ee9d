"""The chain of real trainings: stopped anywhere it goes on, and ends in the same files byte for byte."""

import json
from collections import Counter
from pathlib import Path

import pytest

from edge_deeplab.compress import measures, stages, steps
from edge_deeplab.compress.chain import compress
from edge_deeplab.compress.job import Job
from edge_deeplab.compress.sections import sparsity_warnings
from edge_deeplab.config import (
    CompressRecipe,
    ExportSection,
    PruneRecipe,
    PruningSection,
    QatRecipe,
)
from edge_deeplab.data.folder import DataFolder
from edge_deeplab.errors import OutputError
from edge_deeplab.files import write_atomically
from edge_deeplab.models.checkpoint import Checkpoint, load_checkpoint
from edge_deeplab.progress import Progress
from edge_deeplab.quantization.pruning.allot import Steps
from edge_deeplab.quantization.pruning.latency import LatencyTable, widths_to_measure, write_table
from edge_deeplab.quantization.pruning.prune import cost_model
from edge_deeplab.recipes import load_recipe_as
from edge_deeplab.versions import installed_versions
from tests.compress.conftest import Stopper
from tests.progress import Heard
from tests.slow import or_slow

STEPS = [
    "prune",
    "qat",
    "export-reference-fp32",
    "export-pruned-fp32",
    "export-pruned-int8",
    "check-reference-fp32",
    "check-pruned-fp32",
    "check-pruned-int8",
    "parity-reference-fp32",
    "parity-pruned-fp32",
    "parity-pruned-int8",
    "bench",
]


PLACES = {
    *(f"{step}: running" for step in STEPS),
    *(f"{step} noted" for step in STEPS),
    *(f"{training} epoch {epoch}" for training in ("prune", "qat") for epoch in (1, 2)),
}
"""Every place that a chain can be stopped at: before a step, before its note, and in an epoch."""
SOME = {
    "prune epoch 2",
    "qat: running",
    "qat epoch 1",
    "qat noted",
    "export-pruned-int8 noted",
    "parity-pruned-fp32: running",
    "bench noted",
}
"""One of each kind: what is stopped at every time, the others in `make slow`."""


def final_files(output: Path) -> dict[str, bytes]:
    """Return the contents of everything that a run is made for, by path."""
    files = [p for p in output.rglob("*") if p.is_file() and "steps" not in p.parts]
    return {p.relative_to(output).as_posix(): p.read_bytes() for p in files}


def all_files(output: Path) -> dict[Path, bytes]:
    """Return the contents of everything in a folder."""
    return {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}


def with_another_pillow(*packages: str) -> dict[str, str]:
    """Return installed versions, Pillow's changed."""
    versions = installed_versions(*packages)
    return {package: "0.1" if package == "pillow" else versions[package] for package in versions}


@pytest.mark.parametrize("places", [SOME, or_slow(PLACES, False)], ids=["some", "every"])
@pytest.mark.usefixtures("stand_ins")
def test_chain_stopped_anywhere_ends_in_the_same_files(
    places: set[str],
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = Stopper()
    compress(checkpoint, recipe, Job(DataFolder(data), tmp_path / "whole", 0, whole))
    assert whole.said == [f"{step}: running" for step in STEPS]

    stopper = Stopper(set(places))
    noted: Counter[str] = Counter()

    def write_note(path: Path, content: str) -> None:
        step = json.loads(content)["step"]
        stopper.stop_at(f"{step} noted")
        noted[step] += 1
        write_atomically(path, content)

    monkeypatch.setattr(steps, "write_atomically", write_note)
    for _ in places:
        with pytest.raises(KeyboardInterrupt):
            compress(checkpoint, recipe, Job(DataFolder(data), tmp_path / "stopped", 0, stopper))
    compress(checkpoint, recipe, Job(DataFolder(data), tmp_path / "stopped", 0, stopper))

    expected = final_files(tmp_path / "whole")
    assert final_files(tmp_path / "stopped") == expected
    assert {"report.json", "report.md", "pareto.png", "exports/manifest.json"} < set(expected)
    assert noted == dict.fromkeys(STEPS, 1)
    wasted = sum(" epoch " in place for place in places)  # a step in each stop inside of an epoch
    assert stopper.steps == whole.steps + wasted


@pytest.mark.usefixtures("stand_ins")
def test_core_ml_files_off_the_mac_are_scored_and_not_timed(
    checkpoint: Checkpoint, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "core_ml_runs_here", lambda: False)
    targets = {"targets": ["coreml", "onnx"], "precisions": ["fp32"]}
    recipe = CompressRecipe.model_validate({"export": targets, "parity": {}, "bench": {}})
    compress(checkpoint, recipe, Job(DataFolder(data), tmp_path / "run", 0))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    package, onnx = report["files"]
    assert (package["target"], package["latency_ms"], package["ratio_to_reference"]) == (
        "coreml",
        None,
        None,
    )
    assert package["miou"] is not None
    assert (onnx["latency_ms"]["median"], onnx["ratio_to_reference"]) == (4.0, 1.0)


@pytest.mark.usefixtures("stand_ins")
def test_only_what_depends_on_a_change_is_done_again(
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = {"optimiser": {**recipe.qat.optimiser.model_dump(), "epochs": 0}}  # type: ignore[union-attr]
    document = {**recipe.model_dump(), "prune": None}
    document["qat"] = {**document["qat"], **short}
    start = CompressRecipe.model_validate(document)

    def run(changed: CompressRecipe) -> set[str]:
        stopper = Stopper()
        compress(checkpoint, changed, Job(DataFolder(data), tmp_path / "run", 0, stopper))
        return {line.partition(":")[0] for line in stopper.said if line.endswith("running")}

    def change(section: str, **values: object) -> CompressRecipe:
        return CompressRecipe.model_validate(
            {**document, section: {**(document[section] or {}), **values}}
        )

    everything = run(start)
    assert {"qat", "export-int8", "parity-int8", "bench"} < everything
    assert run(start) == set()
    assert run(change("parity", max_drop=50)) == set()
    assert run(change("parity", limit=1)) == {"parity-reference-fp32", "parity-int8"}
    assert run(change("bench", rounds=3)) == {"bench"}
    (data / "test" / "masks" / "0.png").write_bytes(
        (data / "test" / "masks" / "1.png").read_bytes()
    )
    assert run(start) == set()  # the content is the same
    (data / "dataset.toml").write_text((data / "dataset.toml").read_text() + "# touched\n")
    assert run(start) == {"qat", "parity-reference-fp32", "parity-int8"}  # its weights are the same
    monkeypatch.setattr(steps, "installed_versions", with_another_pillow)
    assert run(start) == {"qat", "parity-reference-fp32", "parity-int8"}  # Pillow reads the images


@pytest.mark.usefixtures("stand_ins")
def test_report_names_every_failure_and_says_what_each_stage_costs(
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check_artifact(path: Path, profiles: object, observers: object) -> object:
        verdict = "rejected" if path.suffix == ".tflite" else "ok"
        report = {"profiles": [{"verdicts": [{"verdict": verdict}]}]}
        return type("Report", (), {"to_json": lambda self: report})()

    monkeypatch.setattr(measures, "check_artifact", check_artifact)
    only_prune = recipe.prune.model_copy(  # type: ignore[union-attr]
        update={"optimiser": recipe.prune.optimiser.model_copy(update={"epochs": 0})}  # type: ignore[union-attr]
    )
    export = recipe.export.model_copy(update={"precisions": ("fp32",)})  # type: ignore[union-attr]
    chosen = CompressRecipe(prune=only_prune, export=export)
    report = compress(checkpoint, chosen, Job(DataFolder(data), tmp_path / "run", 0))
    assert not report.passed
    assert [failure.partition(" ")[0] for failure in report.failures] == [
        "exports/tiny-fp32.tflite",
        "exports/tiny-pruned-fp32.tflite",
    ]
    before, after = report.stages
    assert after.multiply_adds <= 0.6 * before.multiply_adds
    kept = load_checkpoint(tmp_path / "run" / after.checkpoint)
    assert kept.name == "tiny-pruned"
    assert kept.sha256 == after.sha256
    assert kept.info.pruning is not None
    assert report.files[0].scores.miou is None
    assert not (tmp_path / "run" / "pareto.png").exists()


@pytest.mark.usefixtures("stand_ins")
def test_second_chain_in_a_folder_is_refused_and_changes_nothing(
    checkpoint: Checkpoint, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    recipe = CompressRecipe(export=ExportSection(targets=("onnx",), precisions=("fp32",)))
    refused = []

    def start_another(line: str) -> None:
        before = all_files(output)
        with pytest.raises(OutputError, match="another compress is at work in"):
            compress(checkpoint, recipe, Job(DataFolder(data), output, 0))
        assert all_files(output) == before
        refused.append(line)

    compress(checkpoint, recipe, Job(DataFolder(data), output, 0, Heard(at_note=start_another)))
    assert refused == ["export-reference-fp32: running", "check-reference-fp32: running"]
    compress(checkpoint, recipe, Job(DataFolder(data), output, 0))


def test_layers_are_timed_once_however_often_pruning_is_stopped(
    checkpoint: Checkpoint,
    recipe: CompressRecipe,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timed = []

    def latency_table(
        source: Checkpoint, section: PruningSection, path: Path, progress: Progress
    ) -> None:
        timed.append(section.round_to)
        plan = widths_to_measure(cost_model(source), Steps(section.round_to, section.floor))
        times = {
            form: tuple(tuple(float(read * written) for written in outputs) for read in inputs)
            for form, (inputs, outputs) in plan.items()
        }
        whole_ms = 100.0 + len(timed)  # no two measurements are equal
        write_table(path, LatencyTable("onnx", "none", source.sha256, whole_ms, plan, times))

    monkeypatch.setattr(stages, "latency_table", latency_table)
    stopper = Stopper({"prune epoch 1"})

    def run(**pruning: object) -> dict[str, str]:
        chosen = PruneRecipe.model_validate(
            {
                **recipe.prune.model_dump(),  # type: ignore[union-attr]
                "optimiser": {"epochs": 1, "batch_size": 2, "precision": "fp32"},
                "pruning": {"runtime": "onnx", "importance": "magnitude", **pruning},
            }
        )
        job = Job(DataFolder(data), tmp_path / "run", 0, stopper)
        report = compress(checkpoint, CompressRecipe(prune=chosen), job)
        return dict(report.steps)

    with pytest.raises(KeyboardInterrupt):
        run(latency=0.8)
    first = run(latency=0.8)
    assert timed == [8]
    assert list(first) == ["latency", "prune"]
    assert run(latency=0.7)["latency"] == first["latency"]
    assert timed == [8]
    run(latency=0.8, round_to=16)
    assert timed == [8, 16]
    for table in tmp_path.glob(f"run/steps/latency-{first['latency'][:12]}/latency.json"):
        table.unlink()
    assert run(latency=0.8)["prune"] != first["prune"]
    assert timed == [8, 16, 8]


@pytest.mark.usefixtures("stand_ins")
def test_whom_sparsity_does_not_help_is_said_once(
    checkpoint: Checkpoint, recipe: CompressRecipe, data: Path, tmp_path: Path
) -> None:
    sparse = {
        **recipe.prune.model_dump(),  # type: ignore[union-attr]
        "optimiser": {"epochs": 0},
        "pruning": {"sparsity": "0.5"},
    }
    export = {"targets": ["onnx", "tflite"], "precisions": ["fp32"]}
    whole = CompressRecipe.model_validate({**recipe.model_dump(), "prune": sparse})
    assert any("[qat] trains all weights again" in line for line in sparsity_warnings(whole))
    assert sparsity_warnings(recipe) == []
    chosen = CompressRecipe.model_validate({"prune": sparse, "export": export})
    stopper = Stopper()
    compress(checkpoint, chosen, Job(DataFolder(data), tmp_path / "run", 0, stopper))
    warnings = [line for line in stopper.said if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "sparse weights make onnx and tflite files neither smaller nor faster" in warnings[0]


def test_shipped_recipe_holds_what_the_recipes_of_its_commands_hold() -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes"
    name = "camvid-efficientnet-lite0"
    recipe = load_recipe_as(CompressRecipe, folder / f"{name}-compress.toml")
    assert recipe.prune == load_recipe_as(PruneRecipe, folder / f"{name}-pruned.toml")
    assert recipe.qat == load_recipe_as(QatRecipe, folder / f"{name}-int8.toml")
    assert recipe.export is not None
    assert recipe.bench is not None
    assert recipe.parity is not None
    assert recipe.parity.max_drop == 0.8
