"""Times of layers: the table's arithmetic, its file, and a real measurement of a narrow network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from edge_deeplab.config import PruningSection
from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import ConfigError
from edge_deeplab.evaluation import layer_latency
from edge_deeplab.evaluation.layer_latency import latency_table, rising
from edge_deeplab.models.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.quantization.pruning.allot import Steps
from edge_deeplab.quantization.pruning.cost import CostModel, Layer, LayerForm
from edge_deeplab.quantization.pruning.groups import find_groups
from edge_deeplab.quantization.pruning.latency import (
    LatencyTable,
    read_table,
    widths_to_measure,
    write_table,
)
from tests.progress import Heard

DENSE = LayerForm("conv", (1, 1), 1, 1, (8, 8), (8, 8))
DEPTHWISE = LayerForm("depthwise", (3, 3), 1, 2, (8, 8), (8, 8))
NORM = LayerForm("norm", (1, 1), 1, 1, (8, 8), (8, 8))


@pytest.fixture
def table() -> LatencyTable:
    return LatencyTable(
        target="onnx",
        runtime="onnxruntime 1",
        checkpoint_sha256="ab",
        whole_ms=10.0,
        widths={DENSE: ((8, 16), (8, 24)), DEPTHWISE: ((1,), (8, 16, 32))},
        times_ms={DENSE: ((1.0, 3.0), (2.0, 6.0)), DEPTHWISE: ((1.0, 1.5, 3.5),)},
        rest_ms=4.0,
    )


def layer(form: LayerForm) -> Layer:
    return Layer("layer", form, (0, 0), ((), ()), False)


@pytest.mark.parametrize(
    ("form", "read", "written", "expected"),
    [
        (DENSE, 8, 8, 1.0),
        (DENSE, 16, 24, 6.0),
        (DENSE, 12, 16, 3.0),
        (DEPTHWISE, 24, 24, 2.5),
        (NORM, 24, 24, 0.0),
    ],
)
def test_time_between_measured_widths_is_linear_in_each(
    form: LayerForm, read: int, written: int, expected: float, table: LatencyTable
) -> None:
    assert table.cost(layer(form), read, written) == pytest.approx(expected)


def test_table_is_read_as_it_was_written(table: LatencyTable, tmp_path: Path) -> None:
    write_table(tmp_path / "latency.json", table)
    assert read_table(tmp_path / "latency.json") == table
    (tmp_path / "latency.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"no table of layer times .* delete it"):
        read_table(tmp_path / "latency.json")


def test_no_wider_layer_is_faster() -> None:
    assert rising([[0.3, 1.05, 1.0], [0.2, 1.2, 2.0]]) == ((0.3, 1.05, 1.05), (0.3, 1.2, 2.0))


class Narrow(nn.Module):
    """A dense, a depthwise and a classifying convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, 64, 3, padding=1)
        self.norm = nn.BatchNorm2d(64)
        self.depthwise = nn.Conv2d(64, 64, 3, padding=2, dilation=2, groups=64)
        self.classifier = nn.Conv2d(64, 4, 1)

    def forward(self, images):  # type: ignore[no-untyped-def]
        return self.classifier(self.depthwise(self.norm(self.dense(images))).relu())


@pytest.fixture
def network() -> CostModel:
    model = Narrow().eval()
    return CostModel(model, find_groups(model), (64, 64))


@pytest.fixture
def checkpoint(shallow: str, tmp_path: Path) -> Checkpoint:
    """A checkpoint of random weights: the whole that layers are timed beside."""
    info = CheckpointInfo(
        spec=find_spec(shallow),
        classes=tuple(ClassInfo(f"class {i}", (i, i, i)) for i in range(3)),
        ignore_index=None,
        normalisation=Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
        size_hw=(64, 64),
    )
    path = tmp_path / "random.safetensors"
    save_checkpoint(path, build_model(info.spec, 3), info)
    return load_checkpoint(path)


def test_widths_span_what_pruning_can_give(network: CostModel) -> None:
    plan = widths_to_measure(network, Steps(8, 0.25))
    by_kind = {(form.kind, form.kernel_hw): widths for form, widths in plan.items()}
    assert by_kind["conv", (3, 3)] == ((3,), (16, 32, 64))
    assert by_kind["depthwise", (3, 3)] == ((1,), (16, 32, 64))
    assert by_kind["conv", (1, 1)] == ((16, 32, 64), (4,))


@pytest.mark.parametrize("target", ["onnx", pytest.param("tflite", marks=pytest.mark.slow)])
def test_layers_are_measured_once_at_every_width_and_no_wider_one_is_faster(
    target: str,
    network: CostModel,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layer_latency, "cost_model", lambda _: network)
    section = PruningSection(latency=0.5, runtime=target, round_to=8, floor=0.25)
    heard = Heard()
    table = latency_table(checkpoint, section, tmp_path / "latency.json", progress=heard)
    assert table.widths == widths_to_measure(network, Steps(8, 0.25))
    for form, (inputs, outputs) in table.widths.items():
        times = np.array(table.times_ms[form])
        assert times.shape == (len(inputs), len(outputs))
        assert (times > 0).all()
        assert (np.diff(times, axis=0) >= 0).all()
        assert (np.diff(times, axis=1) >= 0).all()
    assert table.rest_ms >= 0
    assert heard.advanced[heard.stages[-1][0]] == len(table.widths) == heard.stages[-1][1]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(layer_latency, "measure_layers", never)
    assert latency_table(checkpoint, section, tmp_path / "latency.json") == table
    before = (tmp_path / "latency.json").read_bytes()
    with pytest.raises(ConfigError, match=r"latency\.json holds the times .*choose another output"):
        latency_table(replace(checkpoint, sha256="another"), section, tmp_path / "latency.json")
    assert (tmp_path / "latency.json").read_bytes() == before
