"""Files from strangers: whatever is done to a file, reading it gives a graph or one sentence, soon."""

import json
import time

import numpy as np
import pytest

from edge_deeplab.converters.operators.read import read_graph
from edge_deeplab.converters.operators.report import ArtifactReport, check_artifact, judge
from edge_deeplab.converters.operators.rules import DEFAULT_PROFILES, load_profile
from edge_deeplab.errors import ArtifactError

MUTANTS = 150
MEASURED_MUTANTS = 3
SECONDS_EACH = 5.0
HUGE = np.array([2**31 - 1, 2**30, -1, 0, 2**16], np.int32)


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Return a file cut short, with bytes flipped, with numbers made huge or with a stretch repeated elsewhere."""
    data = bytearray(content)
    kind, at = random.integers(4), int(random.integers(len(data)))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for place in random.integers(len(data), size=random.integers(1, 17)):
            data[place] ^= 1 << random.integers(8)
    elif kind == 2:
        for place in random.integers(len(data) // 4, size=random.integers(1, 5)) * 4:
            data[place : place + 4] = random.choice(HUGE).tobytes()
    else:
        start, length = int(random.integers(len(data))), int(random.integers(1, 200))
        data[at : at + length] = data[start : start + length]
    return bytes(data)


def survive(path):
    """Read and judge one file; return its graph, or None where it was refused in one sentence."""
    start = time.process_time()
    graph, sentence = read_or_explain(path)
    assert time.process_time() - start < SECONDS_EACH
    assert "\n" not in sentence
    if graph is not None:
        judged = judge(graph, load_profile(DEFAULT_PROFILES[graph.format]))
        assert len(judged.verdicts) == len(graph.operators)
        assert json.dumps(ArtifactReport(graph, (judged,)).to_json())
    return graph


def read_or_explain(path):
    try:
        return read_graph(path), ""
    except ArtifactError as error:
        return None, str(error)


@pytest.mark.parametrize(
    ("fixture", "file"),
    [
        ("tflite_path", "."),
        ("onnx_path", "."),
        ("mlpackage_path", "Data/com.apple.CoreML/model.mlmodel"),
        ("mlpackage_path", "Manifest.json"),
    ],
)
def test_read_graph_mutants_are_read_or_refused_in_one_sentence(request, fixture, file):
    path = request.getfixturevalue(fixture)
    target = path / file
    original, random = target.read_bytes(), np.random.default_rng(20261121)
    survived = 0
    for _ in range(MUTANTS):
        target.write_bytes(mutate(original, random))
        survived += survive(path) is not None
    assert survived < MUTANTS, "nothing was refused: the mutations are too mild to show anything"


def test_check_artifact_mutants_are_measured_without_harm(tflite_path):
    original, random = tflite_path.read_bytes(), np.random.default_rng(7)
    measured = 0
    while measured < MEASURED_MUTANTS:
        tflite_path.write_bytes(mutate(original, random))
        graph = survive(tflite_path)
        if graph is not None and tflite_path.read_bytes() != original:
            measured += 1
            result = check_artifact(tflite_path).xnnpack
            assert result.refusal or result.total == len(graph.operators)
