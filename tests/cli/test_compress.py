"""`edge-deeplab compress` on the command line, with real files of one target."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_deeplab.cli.app import app
from edge_deeplab.compress.report import ExportScores, Scores
from edge_deeplab.data.dataset import Sample
from edge_deeplab.evaluation.bench import BenchRequest
from edge_deeplab.evaluation.metrics import Ids
from edge_deeplab.evaluation.trial import Trial
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.sizes import Size
from edge_deeplab.report import measuring
from tests.compress.conftest import save_tiny_checkpoint

runner = CliRunner()
MakeDataset = Callable[..., Path]

RECIPE = """
[prune.data]
validation_split = ""
[prune.optimiser]
epochs = 0
[prune.pruning]
macs = 0.5
importance = "magnitude"
[qat.data]
validation_split = ""
[qat.optimiser]
epochs = 0
[qat.quantization]
calibration_images = 2
[export]
targets = ["onnx"]
[parity]
split = "train"
max_drop = {max_drop}
[bench]
rounds = 2
"""


@pytest.fixture
def data(make_dataset: MakeDataset) -> Path:
    return make_dataset("train", count=2)


@pytest.fixture
def checkpoint(shallow: str, tmp_path: Path) -> Path:
    return save_tiny_checkpoint(tmp_path / "tiny.safetensors", shallow).path


@pytest.fixture
def command(checkpoint: Path, data: Path, tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the command of a recipe's text."""

    def build(recipe: str) -> list[str]:
        path = tmp_path / "recipe.toml"
        path.write_text(recipe)
        output = ["--output", str(tmp_path / "run")]
        return ["compress", str(checkpoint), "--data", str(data), "--recipe", str(path), *output]

    return build


def test_chain_gives_checkpoints_files_and_a_report_and_then_only_finds_them(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    arguments = command(RECIPE.format(max_drop=100))
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    run = tmp_path / "run"
    assert document["passed"]
    assert {"output": str(run), **json.loads((run / "report.json").read_text())} == document
    reference, pruned, quantized = document["files"]
    assert [f["stage"] for f in document["files"]] == ["reference", "pruned", "pruned-int8"]
    assert all((run / f["path"]).stat().st_size == f["bytes"] for f in document["files"])
    assert quantized["bytes"] < pruned["bytes"] < reference["bytes"]
    assert reference["delta_miou"] == pytest.approx(0, abs=1)
    assert reference["ratio_to_reference"] == 1
    assert (run / "checkpoints" / "tiny-pruned-int8.safetensors").is_file()
    assert (run / "pareto.png").read_bytes().startswith(b"\x89PNG")

    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert "pruned-int8" in result.stdout
    lines = result.stderr.splitlines()
    assert lines == [f"{step['step']}: done already" for step in document["steps"]]
    assert len(expand_artifacts([run / "exports"])) == 3


def test_file_that_loses_too_much_is_named_and_ends_with_1(
    command: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_deeplab.compress.chain.parity", _lose_nine_points)
    export = '[export]\ntargets = ["onnx"]\nprecisions = ["fp32"]\n'
    result = runner.invoke(app, command(f'{export}[parity]\nsplit = "train"\nmax_drop = 5'))
    assert result.exit_code == 1
    assert (
        "failed: exports/tiny-fp32.onnx differs from the reference by -9.000 mIoU" in result.stderr
    )


def test_loss_whose_interval_crosses_the_limit_is_inconclusive_and_not_passed(
    command: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("edge_deeplab.compress.chain.parity", _lose_nine_points)
    export = '[export]\ntargets = ["onnx"]\nprecisions = ["fp32"]\n'
    arguments = command(f'{export}[parity]\nsplit = "train"\nmax_drop = 9.5')
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    (file,) = document["files"]
    assert (file["verdict"], file["passed"], document["passed"]) == ("inconclusive", False, False)
    assert document["failures"] == []
    (doubt,) = document["inconclusive"]
    assert doubt.startswith("exports/tiny-fp32.onnx differs from the reference by -9.000 mIoU")
    assert "about 6 more images like these would settle it" in doubt
    assert f"inconclusive: {doubt}" in result.stderr
    page = (tmp_path / "run" / "report.md").read_text()
    assert "| inconclusive |" in page
    assert "\ninconclusive: exports/tiny-fp32.onnx differs" in page
    assert runner.invoke(app, [*arguments, "--fail-inconclusive"]).exit_code == 1


def test_chain_whose_plot_cannot_be_drawn_tells_its_result(
    command: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no font")

    monkeypatch.setattr("edge_deeplab.compress.chain.parity", _lose_nine_points)
    monkeypatch.setattr("edge_deeplab.compress.gathering.draw_pareto", fail)
    export = '[export]\ntargets = ["onnx"]\nprecisions = ["fp32"]\n'
    asked = command(f'{export}[parity]\nsplit = "train"\nmax_drop = 20')
    result = runner.invoke(app, [*asked, "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["files"][0]["miou"] == 1
    assert document["error"].endswith("result stands: ValueError: no font")
    assert (tmp_path / "run" / "report.md").is_file()


def test_page_of_a_chain_runs_no_file_that_the_chain_has_run(
    command: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs, benches = Counter[str](), list[BenchRequest]()
    run = Trial.run

    def count(trial: Trial, sample: Sample, reference_ids: Mapping[Size, Ids]) -> None:
        runs[trial.path.name] += 1
        run(trial, sample, reference_ids)

    monkeypatch.setattr(Trial, "run", count)
    monkeypatch.setattr(measuring, "bench", lambda asked, _: benches.append(asked))
    sections = '[parity]\nsplit = "train"\nmax_drop = 100\n[bench]\nrounds = 2\n'
    page = tmp_path / "page.html"
    recipe = f'[export]\ntargets = ["onnx"]\nprecisions = ["fp32"]\n{sections}'
    asked = [*command(recipe), "--html", str(page), "--json"]
    result = runner.invoke(app, asked)
    assert result.exit_code == 0, result.stderr
    names = [Path(file["path"]).name for file in json.loads(result.stdout)["files"]]
    assert runs == dict.fromkeys(names, 2), "each image once"
    assert not benches
    text = page.read_text()
    assert all(name in text for name in names)
    assert "medians of 2 interleaved rounds" in text
    assert 'id="classes"' in text

    again = runner.invoke(app, asked)
    assert again.exit_code == 0, again.stderr
    assert runs == dict.fromkeys(names, 4), "the steps of the first run kept no class maps"
    assert not benches, "they kept the times"
    assert f"page: {', '.join(names)}: run for the page" in again.stderr
    assert "run for the page" not in result.stderr


def _lose_nine_points(*_: object) -> ExportScores:
    scores = Scores(miou=1.0, delta_miou=-9.0, delta_interval=(-10.0, -8.0))
    return ExportScores(reference_miou=10.0, images=2, files={"onnx": scores})


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("[prune.pruning]\nmac = 0.5", "unknown key 'prune.pruning.mac'; did you mean 'macs'?"),
        ("[quat]", "unknown key 'quat'; did you mean 'qat'?"),
        ("[prune.pruning]\nmacs = 2", "prune.pruning.macs came as 2"),
        ("[export]\ntargets = []", "export.targets came as []"),
        (
            '[prune.data]\nvalidation_split = ""\n[prune.optimiser]\nepochs = 0\n'
            '[prune.pruning]\nmacs = 0.001\nimportance = "random"',
            "step prune: a macs budget of 0.001 cannot be met",
        ),
    ],
)
def test_bad_recipe_is_one_sentence(
    command: Callable[[str], list[str]], recipe: str, sentence: str
) -> None:
    result = runner.invoke(app, [*command(recipe), "--json"])
    assert result.exit_code == 1
    assert sentence in json.loads(result.stdout)["error"]


def test_page_is_not_written_over_the_recipe(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    recipe = '[export]\ntargets = ["onnx"]\n'
    result = runner.invoke(app, [*command(recipe), "--html", str(tmp_path / "recipe.toml")])
    assert result.exit_code == 1
    assert "recipe.toml is read and would be written over" in result.stderr
    assert (tmp_path / "recipe.toml").read_text() == recipe


def test_folder_that_cannot_be_made_is_one_sentence(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("a file")
    result = runner.invoke(app, command(RECIPE.format(max_drop=1)))
    assert result.exit_code == 1
    assert "name another place" in result.stderr
    assert (tmp_path / "run").read_text() == "a file"
