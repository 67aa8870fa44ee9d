"""Files on devices: each cell stands alone, and what is kept is not asked again."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.metadata import version

import numpy as np
import pytest

from edge_deeplab import versions
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.formats.read import read_graph
from edge_deeplab.lab import references
from tests.evaluation.conftest import describe
from tests.lab.conftest import DEVICE, SIZES
from tests.progress import Heard


def test_run_lab_tells_what_the_tool_did_and_leaves_other_devices_to_the_rules(
    lab, fake, tflite_path
):
    fake.install()
    first = read_graph(tflite_path).operators[0]
    fake.answers(f"{{'left': {{{first.name!r}: 'no kernel'}}, 'partitions': 3}}")
    told = Heard()
    compiled, predicted = lab(tflite_path, progress=told).cells
    assert (compiled.device, compiled.evidence, compiled.version) == (
        DEVICE, "compiled", "fake-compiler 1.0",
    )  # fmt: skip
    assert [(left.operator, left.reason) for left in compiled.left] == [(first.type, "no kernel")]
    assert [left.advice for left in compiled.left] == ["export --precision int8"]
    assert compiled.partitions == 3
    assert compiled.predicted_equal is False
    assert "the rules say that it does not load" in compiled.differences[0]
    assert (predicted.evidence, predicted.predicted_equal, predicted.error) == (
        "predicted", None, None,
    )  # fmt: skip
    assert "get it with" in predicted.notes[0]
    assert told.stages == [("asking the lab's tools", 2, "cells")]
    assert told.steps == 2


@pytest.mark.parametrize(("count", "evidence"), [(1, "compiled"), (2, "predicted")])
def test_run_lab_of_a_tool_that_only_counts_names_the_rules_operators(
    lab, fake, tiny, tmp_path, count, evidence
):
    """That they are as many is the tool's word; which they are is the rules', and stays theirs where it left others."""
    builder = tiny.TFLiteBuilder()
    ends = [builder.tensor(name, (1, 8), "INT8") for name in ("image", "unscaled")]
    builder.add("ABS", ends[:1], ends[1:])
    path = builder.save(tmp_path / "abs.tflite", ends[:1], ends[1:])
    fake.install()
    fake.answers(f"{{'left': None, 'left_count': {count}, 'partitions': 0}}")
    (cell,) = lab(path, devices=(DEVICE,)).cells
    assert (cell.evidence, cell.predicted_equal) == (evidence, count == 1)
    assert [(left.name, "scale" in left.reason) for left in cell.left] == [("unscaled", True)]
    assert len(cell.differences) == count - 1


def test_run_lab_share_is_of_what_the_tool_took(lab, fake, tflite_path):
    fake.install()
    graph = read_graph(tflite_path)
    fake.answers(f"{{'left': {dict.fromkeys([o.name for o in graph.operators], 'no')}}}")
    cell = lab(tflite_path, devices=(DEVICE,)).cells[0]
    assert (cell.taken, cell.accelerated_macs) == (0, 0.0)
    assert len(cell.left) == len(graph.operators)


def test_run_lab_fails_the_cell_of_a_named_device_without_its_tool(lab, tflite_path):
    report = lab(tflite_path, devices=("ethos-u55-128",))
    (cell,) = report.failures
    assert "vela is not installed" in cell.error
    assert report.to_json()["devices"][0]["error"] == cell.error


def test_run_lab_goes_on_after_a_file_and_a_tool_that_fail(lab, fake, tflite_path, tmp_path):
    fake.install()
    fake.says("import os; os.abort()")
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no flatbuffer")
    cells = lab(broken, tflite_path).cells
    assert len(cells) == 4
    assert "broken.tflite" in cells[0].error
    assert "SIGABRT" in cells[1].error
    assert cells[1].predicted_equal is None
    assert cells[3].error is None


def test_run_lab_goes_on_where_it_was_stopped(lab, fake, tflite_path, tmp_path):
    fake.install()
    asked = tmp_path / "asked"
    fake.answers(f"open({str(asked)!r}, 'a').write('.') and {{'left': {{}}}}")

    def stop(_):
        raise KeyboardInterrupt

    told = Heard(at_advance=stop)
    with pytest.raises(KeyboardInterrupt):
        lab(tflite_path, progress=told)
    assert told.notes == [
        "stopped; finished cells are kept, and the same command goes on from there"
    ]
    assert asked.read_text() == "."
    assert lab(tflite_path).cells[0].evidence == "compiled"
    assert asked.read_text() == "."


def test_run_lab_stopped_while_a_tool_works_ends_the_tool(lab, fake, tflite_path, tmp_path):
    fake.install()
    began = tmp_path / "began"
    fake.answers(
        f"open({str(began)!r}, 'w').write(str(__import__('os').getpid())) and __import__('time').sleep(60)"
    )

    def interrupt():
        while not (began.exists() and began.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        lab(tflite_path)
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


def test_run_lab_goes_on_where_nothing_can_be_kept(lab, fake, tflite_path, lab_folder, caplog):
    fake.install()
    (lab_folder / "answers").write_text("no folder")
    assert lab(tflite_path).cells[0].evidence == "compiled"
    assert "what tools say is not kept" in caplog.text


def test_two_labs_at_once_share_what_is_kept(lab, fake, tflite_path, lab_folder):
    fake.install()
    fake.answers("__import__('time').sleep(0.2) or {'left': {}, 'partitions': 1}")
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lab, [tflite_path] * 2))
    assert reports[0] == reports[1]
    assert reports[0].cells[0].evidence == "compiled"
    assert len([*(lab_folder / "answers").iterdir()]) == 1


def test_run_lab_tells_a_refusal(lab, fake, tflite_path):
    fake.install()
    fake.answers("{'refused': 'too large'}")
    cell = lab(tflite_path, devices=(DEVICE,)).cells[0]
    assert (cell.refusal, cell.taken, cell.error) == ("too large", None, None)
    assert cell.to_json()["operators"] == {"taken": None, "left": 0}


def test_run_lab_looks_at_a_file_of_several_sizes_at_each(lab, fake, sized_path, halves_path):
    fake.install()
    fake.answers("{'left': {}, 'notes': [str(len(open(path, 'rb').read()))]}")
    cells = lab(sized_path, halves_path, devices=(DEVICE,)).cells
    assert [cell.title for cell in cells] == [
        f"{sized_path} at 16x16", f"{sized_path} at 8x24", str(halves_path),
    ]  # fmt: skip
    assert [cell.to_json()["size_hw"] for cell in cells] == [[16, 16], [8, 24], None]
    assert [cell.evidence for cell in cells] == ["compiled"] * 3
    assert "was given 8x24 alone" in cells[1].notes[1]


def test_run_lab_at_a_size_looks_at_that_one(lab, fake, sized_path, halves_path, onnx_path):
    fake.install()
    cells = lab(sized_path, halves_path, devices=(DEVICE,), size_hw=(8, 24)).cells
    assert [cell.size_hw for cell in cells] == [(8, 24), None]
    assert "it takes one size, which was looked at in place of 8x24" in cells[1].notes
    (cell,) = lab(sized_path, devices=(DEVICE,), size_hw=(8, 8)).cells
    assert "does not list the size 8x8" in cell.error
    assert cell.size_hw == (8, 8)


def test_run_lab_runs_a_file_at_each_of_its_sizes(executing, fake, sized_path, make_dataset):
    data = make_dataset("test", 1, (16, 16))
    fake.runs("(given[..., 1] > given[..., 0]).astype('int32')")
    cells = executing(sized_path, data=data).cells
    assert [(cell.error, cell.evidence, cell.size_hw) for cell in cells] == [
        (None, "executed", size) for size in SIZES
    ]
    assert [cell.execution.agreement for cell in cells] == [1, 1]


def test_run_lab_refuses_what_cannot_be_meant(lab, tflite_path, onnx_path):
    with pytest.raises(ConfigError, match="no file came"):
        lab()
    with pytest.raises(ConfigError, match=r"unknown device 'ethos-u85-51'.*did you mean"):
        lab(tflite_path, devices=("ethos-u85-51",))
    with pytest.raises(ConfigError, match=f"{DEVICE} reads tflite files and none came"):
        lab(onnx_path, devices=(DEVICE,))


def test_run_lab_names_files_that_no_device_reads(lab, tflite_path, tmp_path):
    told = Heard()
    assert len(lab(tflite_path, tmp_path / "a.mlpackage", progress=told).cells) == 2
    assert told.notes == [f"{tmp_path / 'a.mlpackage'}: none of these devices reads it"]
    with pytest.raises(ConfigError, match=r"a.xyz came, which no device .* .tflite was expected"):
        lab(tmp_path / "a.xyz")


def test_run_lab_runs_a_file_on_labelled_images_and_keeps_the_scores(
    executing, fake, halves_path, make_dataset
):
    data = make_dataset("test", 2, (16, 16))
    fake.runs("(given[..., 1] > given[..., 0]).astype('int32')")
    told = Heard()
    cell = executing(halves_path, data=data, limit=2, progress=told).cells[0]
    assert (cell.error, cell.evidence) == (None, "executed")
    ran = cell.execution
    assert (ran.agreement, ran.delta_miou, ran.delta_interval, ran.images) == (1, 0, (0, 0), 2)
    assert told.stages[-1] == ("halves.tflite on fake-1", 2, "images")
    assert cell.to_json()["delta_interval"] == [0, 0]
    again = Heard()
    assert executing(halves_path, data=data, limit=2, progress=again).cells == (cell,)
    assert again.stages == told.stages[:1]


@pytest.mark.parametrize(("package", "times"), [("ai-edge-litert", 2), ("torch", 1)])
def test_run_lab_runs_again_with_another_version_of_the_own_runtime(
    executing, fake, halves_path, make_dataset, monkeypatch, package, times
):
    """Without a reference torch has no part in it."""
    data = make_dataset("test", 1, (16, 16))
    fake.runs("(given[..., 1] > given[..., 0]).astype('int32')")
    told = Heard()
    executing(halves_path, data=data, progress=told)
    monkeypatch.setattr(
        versions, "version", lambda name: {package: "9.9"}.get(name) or version(name)
    )
    executing(halves_path, data=data, progress=told)
    runs = [stage for stage in told.stages if stage[2] == "images"]
    assert len(runs) == times


def test_run_lab_scores_again_with_another_torch(
    executing, fake, halves_path, make_dataset, scored, monkeypatch
):
    checkpoint, opened = scored
    data = make_dataset("test", 1, (16, 16))
    fake.runs("(given[..., 1] > given[..., 0]).astype('int32')")
    executing(halves_path, data=data, reference=str(checkpoint))
    monkeypatch.setattr(
        versions, "version", lambda name: {"torch": "9.9"}.get(name) or version(name)
    )
    executing(halves_path, data=data, reference=str(checkpoint))
    assert opened == [checkpoint] * 2


def test_run_lab_counts_pixels_that_a_device_gets_wrong(executing, fake, halves_path, make_dataset):
    data = make_dataset("test", 2, (16, 16))
    fake.runs("np.zeros(given.shape[:3], np.int32)")
    ran = executing(halves_path, data=data).cells[0].execution
    assert ran.agreement == pytest.approx(0.5)
    assert ran.delta_miou < -50


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("np.array(['text'])", "no tensor of numbers"),
        ("np.array([{}])", "its output cannot be read"),
        ("given[:, :2]", "proportions was expected"),
    ],
)
def test_run_lab_of_a_device_that_fails_to_run_is_one_failed_cell(
    executing, fake, halves_path, make_dataset, body, told
):
    data = make_dataset("test", 1, (16, 16))
    fake.runs(body)
    cell = executing(halves_path, data=data).cells[0]
    assert told in cell.error
    assert cell.execution is None


class Reference:
    """A checkpoint that sees the first class everywhere."""

    name, size_hw = "torch", (16, 16)

    def __init__(self, path, size_hw):
        self.path, self.description = path, describe(("left", "right"))

    def predict(self, images):
        return np.zeros(images.shape[:3], np.uint8)


@pytest.fixture
def scored(monkeypatch, tmp_path):
    """A checkpoint, and how often it was scored."""
    opened = []

    def open_reference(path, size_hw):
        opened.append(path)
        return Reference(path, size_hw)

    monkeypatch.setattr(references, "open_reference", open_reference)
    checkpoint = tmp_path / "reference.safetensors"
    checkpoint.write_bytes(b"weights")
    return checkpoint, opened


def test_run_lab_holds_scores_against_the_named_reference_too(
    executing, fake, write_halves, halves_path, make_dataset, scored
):
    checkpoint, opened = scored
    other = write_halves("other.tflite", describe(("left", "right")))
    data = make_dataset("test", 2, (16, 16))
    fake.runs("(given[..., 1] > given[..., 0]).astype('int32')")
    cells = executing(halves_path, other, data=data, reference=str(checkpoint)).cells
    assert [cell.error for cell in cells] == [None, None]
    ran = cells[0].execution
    assert (ran.delta_miou, ran.reference.path) == (0, checkpoint)
    assert ran.reference.delta_miou == pytest.approx(
        75
    )  # the reference: 50 % of one class, 0 of the other
    assert ran.reference.delta_interval == pytest.approx((75, 75))
    assert opened == [checkpoint]
    assert cells[0].to_json()["reference"]["delta_miou"] == pytest.approx(75)
    executing(halves_path, other, data=data, reference=str(checkpoint))
    assert opened == [checkpoint]  # kept
    checkpoint.write_bytes(b"others")
    executing(other, data=data, reference=str(checkpoint))
    assert opened == [checkpoint] * 2


def test_run_lab_without_a_reference_takes_what_each_file_was_exported_from(
    executing, fake, write_halves, make_dataset, scored
):
    checkpoint, _ = scored
    digest = sha256(checkpoint.read_bytes()).hexdigest()
    files = [write_halves("foreign.tflite")] + [
        write_halves(f"{name}.tflite", describe(("left", "right"), checkpoint=name, sha256=digest))
        for name in ("reference", "gone")
    ]
    data = make_dataset("test", 1, (16, 16))
    fake.runs("np.zeros(given.shape[:3], np.int32)")
    told = Heard()
    cells = executing(*files, data=data, progress=told).cells
    assert [cell.error for cell in cells] == [None] * 3
    foreign, ours, orphan = (cell.execution.reference for cell in cells)
    assert (foreign, orphan) == (None, None)
    assert (ours.path, ours.delta_miou) == (checkpoint, 0)
    assert "foreign.tflite does not say what it was exported from" in told.notes[0]
    assert "'gone', which is neither shipped nor beside the artifact" in told.notes[1]


def test_run_lab_with_a_reference_that_is_not_there_ends_before_it_begins(
    executing, halves_path, make_dataset
):
    data = make_dataset("test", 1, (16, 16))
    told = Heard()
    with pytest.raises(CheckpointError, match="nowhere"):
        executing(halves_path, data=data, reference="nowhere", progress=told)
    assert told.stages == []
