"""What is asked of evaluate, parity and bench: the face's keywords are a request's fields, and it is validated once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from edge_deeplab import api
from edge_deeplab.errors import ConfigError, OutputError
from edge_deeplab.evaluation import bench, evaluate
from edge_deeplab.lab.scoring import DeviceParityRequest


@dataclass(frozen=True)
class Written:
    path: Path


@pytest.mark.parametrize(
    ("verb", "request_type"),
    [
        (api.evaluate, evaluate.EvaluateRequest),
        (api.parity, DeviceParityRequest),
        (api.bench, bench.BenchRequest),
    ],
)
def test_keywords_are_the_requests_fields_with_its_defaults(
    verb: Callable[..., Any], request_type: type
) -> None:
    keywords = dict(inspect.signature(verb).parameters)
    assert list(keywords)[-1] == "progress"
    del keywords["progress"]
    keywords.pop("html", None)  # the page is written by a layer above
    wanted = {field.name: field for field in fields(request_type)}
    assert set(keywords) == set(wanted)
    for name, keyword in keywords.items():
        if name == "on":  # without a device it is a ParityRequest
            assert keyword.default is None
        elif keyword.default is not inspect.Parameter.empty:
            assert keyword.default == wanted[name].default, name


@pytest.mark.parametrize(
    "artifacts",
    ["a.onnx", Path("a.onnx"), Written(Path("a.onnx")), ["a.onnx"], (Written(Path("a.onnx")),)],
)
def test_artifacts_are_paths_in_any_spelling_or_what_export_returned(
    artifacts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bench.BenchRequest] = []
    monkeypatch.setattr(bench, "bench", lambda request, progress: asked.append(request))
    api.bench(artifacts)
    assert [request.artifacts for request in asked] == [(Path("a.onnx"),)]


@pytest.mark.parametrize(
    ("verb", "arguments", "sentence"),
    [
        (api.parity, {"artifacts": []}, "no artifact came"),
        (api.parity, {"max_drop": -1}, "max_drop came as -1"),
        (
            api.parity,
            {"max_drop": float("nan")},
            "max_drop came as nan; a number from 0 was expected",
        ),
        (api.parity, {"plot": "drift.gif"}, "an ending of .png, .svg, .pdf was expected"),
        (api.bench, {"artifacts": "a.onnx", "rounds": 0}, "rounds came as 0"),
        (api.bench, {"artifacts": "a.onnx", "threads": 0}, "threads came as 0"),
        (api.evaluate, {"model": "a.onnx", "flip": True}, "whose graph is fixed"),
        (api.evaluate, {"model": Path("a.MLPACKAGE"), "scales": [2]}, "whose graph is fixed"),
        (api.evaluate, {"scales": [-1]}, "each above 0, was expected"),
        (api.evaluate, {"fuse": "sum"}, "unknown way to fuse views 'sum'"),
        (api.evaluate, {"runtime": "interpreter"}, "came with a checkpoint"),
        (api.evaluate, {"output_stride": 7}, "output stride 7 is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    verb: Callable[..., Any], arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        verb(**arguments)


def test_outputs_of_parity_check_and_report_are_never_written_over_the_file(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(b"the model")
    asked: list[Callable[[], object]] = [
        lambda: api.parity(model, junit=model),
        lambda: api.parity(model, html=model),
        lambda: api.parity(model, junit=tmp_path / "a.xml", markdown=tmp_path / "a.xml"),
        lambda: api.check(model, junit=model),
        lambda: api.report(model, output=model),
        lambda: api.lab(model, html=model),
        lambda: api.write_mac_script(model, model),
    ]
    for ask in asked:
        with pytest.raises(OutputError, match="would be written over"):
            ask()
    assert model.read_bytes() == b"the model"
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]
