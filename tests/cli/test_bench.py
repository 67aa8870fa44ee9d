"""`edge-deeplab bench` on runtimes whose times are known, and once on real files."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.cli.bench import bench
from edge_deeplab.errors import ArtifactError

SECONDS = {"slow": 0.030, "fast": 0.010}
SIZES = ((8, 8), (16, 24))


@dataclass
class TimedRuntime:
    """Take the time that its file is named after."""

    path: Path
    threads: int
    name: str = "timed 1.0"
    size_hw: tuple[int, int] = (8, 8)
    description = None

    def time_once(self, images=None):
        return SECONDS[self.path.stem] * (self.size_hw[0] / 8)


def open_file(path, *, threads, size_hw=None, allowance=None, runtime=None):
    if not path.exists():
        raise ArtifactError(f"{path} does not exist; pass a file that edge-deeplab export wrote")
    if size_hw not in (None, *SIZES):
        raise ArtifactError(f"{path} was to be run at {size_hw} and takes others")
    name = "mil-reference (torch 2)" if path.suffix == ".mlpackage" else "timed 1.0"
    return TimedRuntime(path, threads, name, size_hw or (8, 8))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder with files of 10 bytes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edge_deeplab.evaluation.bench.open_artifact", open_file)
    for name in ("slow.onnx", "fast.tflite"):
        (tmp_path / name).write_bytes(b"0123456789")
    app = typer.Typer()
    app.command()(bench)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_bench_json_has_the_promised_keys(run):
    result = run("slow.onnx", "fast.tflite", "--threads", "2", "--rounds", "3", "--json")
    assert result.exit_code == 0
    slow, fast = json.loads(result.stdout)["artifacts"]
    assert slow == {
        "path": "slow.onnx",
        "runtime": "timed 1.0",
        "threads": 2,
        "bytes": 10,
        "latency_ms": {"median": 30.0, "p95": 30.0},
        "ratio_to_first": 1.0,
        "note": None,
        "size_hw": [8, 8],
    }
    assert fast["ratio_to_first"] == pytest.approx(1 / 3)


def test_bench_table_shows_times_and_ratio(run):
    result = run("slow.onnx", "fast.tflite", "--rounds", "2")
    assert result.exit_code == 0
    for text in ("2 rounds", "slow.onnx", "30.00", "10.00", "1.000", "0.333"):
        assert text in result.stdout
    assert "reference evaluator" not in result.stdout


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "a.mlpackage"
    folder.mkdir()
    (folder / "weights").write_bytes(b"01234")
    return folder


def test_bench_core_ml_off_the_mac_is_not_timed_and_takes_no_part_in_ratios(run, package):
    result = run("a.mlpackage", "slow.onnx", "fast.tflite", "--rounds", "1", "--json")
    evaluated, slow, fast = json.loads(result.stdout)["artifacts"]
    assert (evaluated["latency_ms"], evaluated["ratio_to_first"]) == (None, None)
    assert evaluated["bytes"] == 5
    assert "MIL reference evaluator" in evaluated["note"]
    assert slow["ratio_to_first"] == 1.0
    assert fast["ratio_to_first"] == pytest.approx(1 / 3)


def test_bench_table_of_core_ml_off_the_mac_says_why_it_has_no_time(run, package):
    result = run("a.mlpackage", "slow.onnx", "--rounds", "1")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if "a.mlpackage" in line)
    assert row.count("-") == 4  # of mil-reference, and in place of three numbers
    assert "its time would be no device's" in result.stdout


def test_bench_of_nothing_that_can_be_timed_gives_sizes(run, package):
    result = run("a.mlpackage", "--rounds", "1")
    assert result.exit_code == 0
    assert "a.mlpackage" in result.stdout


def test_bench_passes_on_what_is_to_run_the_files(run, monkeypatch):
    asked = []

    def open_noting(path, *, threads, runtime, size_hw, allowance=None):
        asked.append(runtime)
        return TimedRuntime(path, threads)

    monkeypatch.setattr("edge_deeplab.evaluation.bench.open_artifact", open_noting)
    assert run("fast.tflite", "--runtime", "compiled-model", "--rounds", "1").exit_code == 0
    assert asked == ["compiled-model"]


def test_bench_unknown_runtime_is_a_usage_error_that_lists_the_choices(run):
    result = run("fast.tflite", "--runtime", "compiledmodel")
    assert result.exit_code == 2
    assert "compiled-model" in result.output


def test_bench_without_threads_uses_all_that_are_available(run, monkeypatch):
    monkeypatch.setattr("edge_deeplab.evaluation.bench.available_cpus", lambda: 7)
    result = run("fast.tflite", "--rounds", "1", "--json")
    assert json.loads(result.stdout)["artifacts"][0]["threads"] == 7


def test_bench_absent_file_is_a_failed_row_and_the_others_are_timed(run):
    result = run("absent.onnx", "slow.onnx", "fast.tflite", "--rounds", "2", "--json")
    assert result.exit_code == 1
    absent, slow, fast = json.loads(result.stdout)["artifacts"]
    assert absent["path"] == "absent.onnx"
    assert "absent.onnx does not exist" in absent["error"]
    assert absent["latency_ms"] is None
    assert slow["latency_ms"]["median"] == 30.0
    assert fast["ratio_to_first"] == pytest.approx(1 / 3), "to the first that is timed"
    assert result.stderr.startswith("failed: absent.onnx does not exist")


def test_bench_table_marks_what_failed(run):
    result = run("absent.onnx", "fast.tflite", "--rounds", "1")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "10.00" in result.stdout


@pytest.fixture
def several(monkeypatch):
    """Let slow.onnx list two sizes."""
    monkeypatch.setattr(
        "edge_deeplab.evaluation.bench.sizes_of",
        lambda path: SIZES if path.stem == "slow" else (None,),
    )


def test_bench_times_a_file_of_several_sizes_at_each_in_one_run(run, several):
    result = run("fast.tflite", "slow.onnx", "--rounds", "2", "--json")
    assert result.exit_code == 0
    told = [
        (row["path"], row["size_hw"], row["latency_ms"]["median"], row["ratio_to_first"])
        for row in json.loads(result.stdout)["artifacts"]
    ]
    assert told == [
        ("fast.tflite", [8, 8], 10.0, 1.0),
        ("slow.onnx", [8, 8], 30.0, pytest.approx(3)),
        ("slow.onnx", [16, 24], 60.0, pytest.approx(6)),
    ]
    table = run("fast.tflite", "slow.onnx", "--rounds", "2").stdout
    assert [size for size in ("8x8", "16x24") if size in table] == ["8x8", "16x24"]


def test_bench_at_a_size_times_that_one_and_fails_files_that_do_not_take_it(run, several):
    result = run("slow.onnx", "--size", "16x24", "--rounds", "1", "--json")
    (row,) = json.loads(result.stdout)["artifacts"]
    assert (row["size_hw"], row["latency_ms"]["median"]) == ([16, 24], 60.0)
    result = run("slow.onnx", "--size", "9x9", "--rounds", "1", "--json")
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)["artifacts"]
    assert row["size_hw"] == [9, 9]
    assert "was to be run at (9, 9)" in row["error"]


def test_bench_no_rounds_is_a_usage_error(run):
    assert run("slow.onnx", "--rounds", "0").exit_code == 2
