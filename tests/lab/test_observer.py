"""What a tool's worker says, matched with the file's operators; what was said is kept."""

from dataclasses import replace

import pytest

from edge_deeplab.checker.report import check_artifact
from edge_deeplab.checker.rules import load_profile
from edge_deeplab.converters.tflite_sizes import unite_tflite
from edge_deeplab.formats.read import read_graph
from edge_deeplab.lab.observer import ToolObserver
from edge_deeplab.lab.observers import all_observers, available_observers
from tests.lab.conftest import DEVICE


def observed(fake, path):
    return ToolObserver(fake.tool).observe(read_graph(path), load_profile(DEVICE))


def test_observe_takes_all_operators_that_the_tool_does_not_name(fake, tflite_path):
    fake.install()
    first, *rest = read_graph(tflite_path).operators
    cost = {"milliseconds": 1.5, "cycles": 7, "memory_bytes": 9, "note": "a guess"}
    left = {first.outputs[0].name: "no\x07 kernel", "its own": "a copy"}
    fake.answers(
        f"{{'left': {left}, 'partitions': 2, 'cost': {cost}, 'machine': 'a simulator', 'notes': ['told ' + device]}}"
    )
    seen = observed(fake, tflite_path)
    assert seen.left == {0: "no\ufffd kernel"}
    assert sorted(seen.taken) == [operator.index for operator in rest]
    assert (seen.partitions, seen.machine, seen.version) == (2, "a simulator", "fake-compiler 1.0")
    assert (seen.cost.milliseconds, seen.cost.cycles, seen.cost.memory_bytes) == (1.5, 7, 9)
    assert seen.notes[0] == "told fake-1"
    assert "1 operators beside the accelerator that are not in the file" in seen.notes[1]


def test_observe_takes_the_number_of_what_a_tool_leaves_where_it_names_none(fake, tflite_path):
    fake.install()
    fake.answers("{'left': None, 'left_count': 3, 'partitions': 1}")
    seen = observed(fake, tflite_path)
    assert (seen.left, seen.taken, seen.left_count, seen.partitions) == (None, None, 3, 1)
    assert not seen.tells  # nothing of one operator


def test_observe_tells_a_refusal(fake, tflite_path):
    fake.install()
    fake.answers("{'refused': 'too large'}")
    seen = observed(fake, tflite_path)
    assert (seen.refusal, seen.taken, seen.failure) == ("too large", None, None)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("{}", "left is missing"),
        ("{'left': {}, 'partitions': -1}", "partitions is -1"),
        ("{'left': {}, 'cost': {'cycles': 'many'}}", "cost.cycles is 'many'"),
        ("{'left': None, 'left_count': -3}", "left_count is -3"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_observe_a_tool_that_fails_tells_nothing_of_the_file(fake, tflite_path, answer, told):
    fake.install()
    fake.answers(answer)
    seen = observed(fake, tflite_path)
    assert told in seen.failure
    assert not seen.tells
    assert seen.notes == (f"{DEVICE}: {seen.failure}",)


def test_observe_without_the_tool_says_how_to_get_it(fake, tflite_path):
    assert "--install fake" in ToolObserver(fake.tool).available()
    assert "--install fake" in observed(fake, tflite_path).failure


def test_observe_asks_once_and_again_only_for_another_file_version_or_script(
    fake, tflite_path, tmp_path
):
    fake.install()
    counter = tmp_path / "asked"
    answer = f"open({str(counter)!r}, 'a').write('.') and {{'left': {{}}}}"
    fake.answers(answer)
    assert observed(fake, tflite_path) == observed(fake, tflite_path)
    assert counter.read_text() == "."
    fake.answers(f"{answer} ")  # another script
    observed(fake, tflite_path)
    assert counter.read_text() == ".."


def test_observe_asks_again_with_another_vulkan_driver(fake, tflite_path, tmp_path, monkeypatch):
    manifest = tmp_path / "driver.json"
    manifest.write_text("{}")
    monkeypatch.setenv("VK_DRIVER_FILES", str(manifest))
    fake.tool = replace(fake.tool, needs_vulkan=True)
    fake.install()
    counter = tmp_path / "asked"
    fake.answers(f"open({str(counter)!r}, 'a').write('.') and {{'left': {{}}}}")
    for content in ("{}", "{}", '{"ICD": "newer"}'):
        manifest.write_text(content)
        assert observed(fake, tflite_path).failure is None
    assert counter.read_text() == ".."


def test_observe_keeps_no_failure(fake, tflite_path):
    fake.install()
    fake.answers("{}")
    assert observed(fake, tflite_path).failure
    fake.answers("{'left': {}}")
    assert observed(fake, tflite_path).failure is None


def test_observe_takes_a_damaged_kept_answer_for_none(fake, tflite_path, lab_folder):
    fake.install()
    first = observed(fake, tflite_path)
    (kept,) = (lab_folder / "answers").iterdir()
    kept.write_text("{")
    assert observed(fake, tflite_path) == first


def test_observe_where_nothing_can_be_kept_says_so_and_goes_on(
    fake, tflite_path, lab_folder, caplog
):
    fake.install()
    (lab_folder / "answers").write_text("a file in the way")
    assert observed(fake, tflite_path).failure is None
    assert "what tools say is not kept; name another folder with EDGE_DEEPLAB_LAB" in caplog.text


def test_check_shows_predicted_beside_observed(fake, tflite_path):
    assert "fake" not in available_observers()
    fake.install()
    fake.answers("{'left': {}, 'partitions': 1}")
    report = check_artifact(tflite_path, [DEVICE], {"vela": all_observers()["fake"]})
    (profile,) = report.profiles
    assert profile.decided
    assert profile.comparison.observation.tool == "Fake Compiler"
    assert profile.comparison.equal in (True, False)


def test_observe_gives_a_tool_one_size_of_several_and_says_which(fake, tiny, tmp_path):
    fake.install()
    parts = []
    for side in (8, 16):
        builder = tiny.TFLiteBuilder()
        ends = [builder.tensor(name, (1, side, side, 3)) for name in ("a", "b")]
        builder.add("RELU", ends[:1], ends[1:])
        builder.sign([("a", ends[0])], [("b", ends[1])])
        parts.append(builder.save(tmp_path / f"{side}.tflite", ends[:1], ends[1:]))
    whole = tmp_path / "whole.tflite"
    unite_tflite(parts, whole)
    fake.answers("{'left': {}, 'notes': ['asked about', path]}")
    for size_hw in ((8, 8), (16, 16)):
        graph = read_graph(whole, size_hw)
        seen = ToolObserver(fake.tool).observe(graph, load_profile(DEVICE))
        assert seen.taken == {0: "Fake Compiler takes it"}
        assert seen.notes[1] != str(whole)
        assert f"the tool was given {size_hw[0]}x{size_hw[1]} alone" in seen.notes[2]
    assert "alone" not in " ".join(observed(fake, parts[0]).notes)
