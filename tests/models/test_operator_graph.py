"""An operator graph in a checkpoint: what it says of its network, and a stranger's that says what no network has."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from edge_deeplab.models.operator_graph import GraphSpec, build_graph

CONV: Mapping[str, Any] = {
    "kind": "conv",
    "kernel_hw": [3, 3],
    "stride_hw": [2, 2],
    "rate_hw": [1, 1],
    "groups": 1,
    "edges": "same",
}
OPERATORS: list[dict[str, Any]] = [
    {**CONV, "name": "conv_0", "inputs": ["image"], "channels": 4},
    {"name": "relu6_0", "kind": "relu6", "inputs": ["conv_0"]},
    {"name": "mean_1", "kind": "mean", "inputs": ["relu6_0"]},
    {
        "name": "resize_2",
        "kind": "resize",
        "inputs": ["mean_1", "relu6_0"],
        "align_corners": False,
    },
    {"name": "add_3", "kind": "add", "inputs": ["relu6_0", "resize_2"]},
    {"name": "cat_4", "kind": "cat", "inputs": ["add_3", "resize_2"]},
    {**CONV, "name": "classifier", "inputs": ["cat_4"], "channels": 2, "stride_hw": [1, 1]},
    {
        "name": "resize_6",
        "kind": "resize",
        "inputs": ["classifier", "image"],
        "align_corners": True,
    },
]
INFO = CheckpointInfo(
    spec=GraphSpec(OPERATORS),
    classes=(ClassInfo("sky", (1, 2, 3)), ClassInfo("road", (4, 5, 6))),
    ignore_index=None,
    normalisation=Normalisation((128.0,) * 3, (128.0,) * 3),
    size_hw=(33, 49),
    ranges={"backbone.relu6_0": [0.0, 6.0]},
)


def written(path: Path, info: CheckpointInfo = INFO) -> Path:
    """Write a checkpoint whose tensors are those of `OPERATORS`, whatever its info says."""
    torch.manual_seed(0)
    save_checkpoint(path, build_graph(GraphSpec(OPERATORS), 2), info)
    return path


def test_graph_comes_back_with_its_logits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_graph(GraphSpec(OPERATORS), 2).eval()
    checkpoint = load_checkpoint(written(tmp_path / "a.safetensors"))
    images = torch.randn(1, 3, 33, 49)
    assert checkpoint.info == INFO
    with torch.no_grad():
        assert torch.equal(checkpoint.build()(images), network(images))


def test_graph_has_no_other_output_stride(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(written(tmp_path / "a.safetensors"))
    with pytest.raises(ConfigError, match="output stride 8 came with an imported graph"):
        checkpoint.build(output_stride=8)


def test_values_are_given_back_once_nobody_reads_them() -> None:
    network = build_graph(GraphSpec(OPERATORS), 2)
    assert network._done["cat_4"] == ["resize_2", "add_3"]
    assert network._done["resize_6"] == ["image", "classifier"]


def changed(index: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**o, **fields} if at == index else o for at, o in enumerate(OPERATORS)]


HOSTILE: Mapping[str, tuple[Callable[[], Any], str]] = {
    "circle": (lambda: changed(0, inputs=["conv_0"]), "does not stand before it"),
    "later value": (lambda: changed(1, inputs=["cat_4"]), "does not stand before it"),
    "two of a name": (lambda: changed(1, name="conv_0"), "comes twice"),
    "name that is code": (lambda: changed(1, name="forward"), "no name such as conv_12"),
    "name that is a path": (lambda: changed(1, name="../conv_1"), "no name such as conv_12"),
    "unknown kind": (lambda: changed(1, kind="exec"), "kind is 'exec', not one of conv"),
    "unknown setting": (lambda: changed(1, code="x"), "code' is not known"),
    "too many inputs": (lambda: changed(1, inputs=["conv_0", "image"]), "reads 2 values"),
    "huge channels": (lambda: changed(0, channels=1 << 30), "channels is 1073741824, not"),
    "channels no number": (lambda: changed(0, channels="4"), "channels is '4', not"),
    "huge kernel": (lambda: changed(0, kernel_hw=[1 << 20, 1]), "kernel_hw is"),
    "no stride": (lambda: changed(0, stride_hw=[0, 1]), "stride_hw is"),
    "groups": (lambda: changed(0, groups=2), "has 2 groups of 3 channels"),
    "sum of other channels": (lambda: changed(4, inputs=["relu6_0", "image"]), "adds 4 channels"),
    "too many classes": (lambda: changed(6, channels=3), "no convolution 'classifier'"),
    "no classifier": (lambda: OPERATORS[:6], "no convolution 'classifier'"),
    "no operators": (lambda: [], "operators is"),
    "no list": (lambda: {"name": "conv_0"}, "operators is"),
    "no tables": (lambda: [1, 2], "operators"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_graph_is_refused_when_it_is_loaded(case: str, tmp_path: Path) -> None:
    operators, sentence = HOSTILE[case]
    info = dataclasses.replace(INFO, spec=GraphSpec(operators()))
    with pytest.raises(CheckpointError, match=sentence) as refusal:
        load_checkpoint(written(tmp_path / "a.safetensors", info))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("index", "fields", "sentence"),
    [
        (0, {"channels": 8}, r"holds \S+ as .*, the model expects"),
        (0, {"kernel_hw": [5, 5]}, r"conv_0\.weight as .*3, 3.* the model expects .*5, 5"),
        (
            0,
            {"channels": 1 << 15, "kernel_hw": [1024, 1024]},
            r"holds \S+ as .*, the model expects",
        ),
    ],
)
def test_graph_of_other_tensors_is_refused_before_it_takes_memory(
    index: int, fields: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    info = dataclasses.replace(INFO, spec=GraphSpec(changed(index, **fields)))
    checkpoint = load_checkpoint(written(tmp_path / "a.safetensors", info))
    with pytest.raises(CheckpointError, match=sentence):
        checkpoint.build()


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ({"size_hw": (65536, 65536)}, "cannot run at 65536x65536 .*gives .* numbers"),
        (
            {"spec": GraphSpec(changed(0, stride_hw=[1, 1], edges=[0, 0, 0, 0]))},
            None,
        ),
    ],
)
def test_graph_that_asks_for_too_much_is_refused(
    info: dict[str, Any], sentence: str | None, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(
        written(tmp_path / "a.safetensors", dataclasses.replace(INFO, **info))
    )
    if sentence is None:
        assert checkpoint.build()(torch.zeros(1, 3, 33, 49)).shape == (1, 2, 33, 49)
        return
    with pytest.raises(CheckpointError, match=sentence):
        checkpoint.build()


@pytest.mark.parametrize("told", [[1.0, 2.0], [0.0, 0.0], [0.0], ["a", "b"], "0..1"])
def test_ranges_that_no_integers_have_are_refused(told: Any, tmp_path: Path) -> None:
    info = dataclasses.replace(INFO, ranges={"backbone.relu6_0": told})
    with pytest.raises(CheckpointError, match=r"backbone\.relu6_0"):
        load_checkpoint(written(tmp_path / "a.safetensors", info))
