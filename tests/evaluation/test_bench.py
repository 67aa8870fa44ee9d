"""Latency on runtimes whose times are known: what is measured must be what went in."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_deeplab.errors import ArtifactError, ConfigError
from edge_deeplab.evaluation.bench import (
    Failed,
    Latency,
    Untimed,
    measure_latency,
    round_order,
    time_files,
)
from edge_deeplab.formats.manifest import content_bytes
from tests.progress import Heard


@dataclass
class ScriptedRuntime:
    """Take the scripted times in turn, and note when it was run."""

    path: Path
    seconds: list[float]
    log: list[str] = field(default_factory=list)
    name: str = "scripted 1.0"
    description = None
    size_hw: tuple[int, int] = (8, 8)
    runs: int = 0

    def time_once(self, images=None):
        self.log.append(self.path.stem)
        self.runs += 1
        return self.seconds[(self.runs - 1) % len(self.seconds)]


@pytest.fixture
def files(tmp_path):
    """Return a function that makes a runtime over a small file, with a log shared by all."""
    log = []

    def make(name, seconds):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(b"12345")
        return ScriptedRuntime(path, seconds, log)

    return make


def test_measure_latency_order_rotates_from_round_to_round(files):
    runtimes = [files(name, [0.001]) for name in "abc"]
    measure_latency(runtimes, rounds=4, threads=1, warm_ups=0)
    assert "".join(runtimes[0].log) == "abc" + "bca" + "cab" + "abc"


def test_measure_latency_ratio_is_a_median_of_pairs_not_a_ratio_of_medians(files):
    first = files("first", [0.010, 0.020, 0.040])
    second = files("second", [0.005, 0.010, 0.080])
    one, other = measure_latency([first, second], rounds=3, threads=1, warm_ups=0)
    assert one.ratio_to_first == 1.0
    assert other.ratio_to_first == pytest.approx(0.5)
    assert (one.median_ms, other.median_ms) == pytest.approx((20.0, 10.0))


def test_measure_latency_of_a_machine_that_slows_down_keeps_the_ratio(files):
    drift = [0.010 * (1 + index) for index in range(9)]
    first, second = files("first", drift), files("second", [2 * seconds for seconds in drift])
    _, other = measure_latency([first, second], rounds=9, threads=1, warm_ups=0)
    assert other.ratio_to_first == pytest.approx(2.0)


def test_measure_latency_percentile_is_over_the_rounds(files):
    runtime = files("one", [index / 1000 for index in range(1, 102)])
    (latency,) = measure_latency([runtime], rounds=101, threads=1, warm_ups=0)
    assert latency.median_ms == pytest.approx(51.0)
    assert latency.p95_ms == pytest.approx(96.0)
    assert len(latency.rounds_ms) == 101


def test_measure_latency_warm_ups_are_not_counted(files):
    runtime = files("one", [9.0, 9.0, 0.001, 0.001])
    (latency,) = measure_latency([runtime], rounds=2, threads=1, warm_ups=2)
    assert latency.rounds_ms == pytest.approx((1.0, 1.0))


def test_measure_latency_tells_each_run(files):
    told = Heard()
    runtimes = [files("one", [0.001]), files("two", [0.001])]
    measure_latency(runtimes, rounds=5, threads=1, warm_ups=2, progress=told)
    assert told.stages == [("timing 2 files", 14, "runs")]
    assert told.steps == 14


@pytest.mark.parametrize("rounds", [0, -1])
def test_measure_latency_without_rounds_is_an_error(files, rounds):
    with pytest.raises(ConfigError, match="at least one of each"):
        measure_latency([files("one", [0.001])], rounds=rounds, threads=1)


def test_measure_latency_without_files_is_an_error():
    with pytest.raises(ConfigError, match="0 files"):
        measure_latency([], rounds=1, threads=1)


def evaluated(runtime):
    runtime.name = "mil-reference"
    return runtime


def test_time_files_never_runs_the_reference_evaluator_and_compares_with_the_first_timed(files):
    evaluator = evaluated(files("a", [9.0]))
    first, second = files("b", [0.010]), files("c", [0.005])
    runtimes = [evaluator, first, second]
    untimed, one, other = time_files(runtimes, rounds=2, threads=1)
    assert evaluator.runs == 0
    assert isinstance(untimed, Untimed)
    assert isinstance(one, Latency)
    assert (one.path, one.ratio_to_first) == (first.path, 1.0)
    assert other.ratio_to_first == pytest.approx(0.5)


def test_time_files_row_of_the_reference_evaluator_says_what_it_is_and_has_no_times(files):
    evaluator = evaluated(files("a", [9.0]))
    (row,) = time_files([evaluator], rounds=2, threads=1)
    document = row.to_json()
    assert "no device's" in document.pop("note")
    assert document == {
        "path": str(evaluator.path),
        "runtime": "mil-reference",
        "threads": None,
        "bytes": 5,
        "latency_ms": None,
        "ratio_to_first": None,
        "size_hw": [8, 8],
    }


def test_time_files_without_files_is_an_error():
    with pytest.raises(ConfigError, match="0 files"):
        time_files([], rounds=1, threads=1)


def test_time_files_one_that_fails_in_a_round_fails_alone(files):
    first, second = files("first", [0.010]), files("second", [0.020])

    def fail_in_the_third_run(images=None):
        first.runs += 1
        if first.runs == 3:
            raise ArtifactError("first.onnx crashed")
        return 0.010

    first.time_once = fail_in_the_third_run
    failed, timed = time_files([first, second], rounds=4, threads=1, warm_ups=1)
    assert failed == Failed(first.path, "first.onnx crashed", "scripted 1.0", (8, 8))
    assert first.runs == 3, "it takes no further part"
    assert timed.rounds_ms == pytest.approx((20.0,) * 4)
    assert timed.ratio_to_first == 1.0


def test_time_files_of_none_that_runs_gives_the_failures(files):
    failed = Failed(Path("a.onnx"), "a.onnx does not exist")
    assert time_files([failed], rounds=2, threads=1) == [failed]
    assert failed.to_json()["error"] == "a.onnx does not exist"


def test_measure_latency_a_file_that_fails_ends_it(files):
    runtime = files("one", [])
    runtime.time_once = lambda: (_ for _ in ()).throw(ArtifactError("it crashed"))
    with pytest.raises(ArtifactError, match="it crashed"):
        measure_latency([runtime], rounds=1, threads=1)


def test_round_order_of_one_file_is_itself():
    assert list(round_order(5, 1)) == [0]


def test_content_bytes_of_a_folder_counts_all_its_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"123")
    (tmp_path / "a" / "b" / "two").write_bytes(b"4567")
    assert content_bytes(tmp_path / "a") == 7
    assert content_bytes(tmp_path / "a" / "one") == 3


def test_measure_latency_peers_files_run_and_compare(peers):
    from edge_deeplab.runtimes.open import open_artifact

    path = peers / "deeplabv3_mnv2_pascal_quant.tflite"
    runtimes = [open_artifact(path, threads=1) for _ in range(2)]
    one, same = measure_latency(runtimes, rounds=3, threads=1, warm_ups=1)
    assert one.median_ms > 0
    assert 0.05 < same.ratio_to_first < 20
    assert one.bytes == path.stat().st_size
