"""The checkpoint file: what goes in comes out, and damaged files are refused in one sentence."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edge_deeplab.description import ClassInfo, Normalisation
from edge_deeplab.errors import CheckpointError, OutputError
from edge_deeplab.files import replace_when_complete, write_atomically
from edge_deeplab.models.checkpoint import (
    FORMAT,
    METADATA_KEY,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from edge_deeplab.models.deeplab import build_model
from edge_deeplab.models.family import find_spec
from edge_deeplab.models.spec import ModelSpec

INFO = CheckpointInfo(
    spec=find_spec("deeplabv3plus_mobilenetv2_100"),
    classes=(ClassInfo("sky", (1, 2, 3)), ClassInfo("road", (4, 5, 6))),
    ignore_index=255,
    normalisation=Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    size_hw=(64, 64),
    licence="CC0",
    provenance={"seed": 1},
    results={"x test": {"miou": 12.5}},
)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("mobilenetv2_100", 2).eval()


@pytest.mark.parametrize("file", ["best", "last"])
def test_checkpoint_of_a_run_is_called_after_its_folder(
    file: str, tmp_path: Path, model: torch.nn.Module
) -> None:
    path = tmp_path / "street" / f"{file}.safetensors"
    save_checkpoint(path, model, INFO)
    assert load_checkpoint(path).name == "street"


def test_checkpoint_round_trip_keeps_information_and_logits(
    tmp_path: Path, model: torch.nn.Module
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, INFO)
    checkpoint = load_checkpoint(path)
    assert checkpoint.info == INFO
    assert checkpoint.name == "a"
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(checkpoint.build()(images), model(images))


def test_checkpoint_half_is_half_the_size_and_loads_as_float32(
    tmp_path: Path, model: torch.nn.Module
) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(whole, model, INFO)
    save_checkpoint(half, model, INFO, half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    assert all(p.dtype == torch.float32 for p in load_checkpoint(half).build().parameters())


def test_checkpoint_missing_file_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"does not exist; pass a \.safetensors"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_checkpoint_truncated_is_refused(tmp_path: Path, model: torch.nn.Module) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, INFO)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(path)


def test_checkpoint_without_metadata_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="does not say which model"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_checkpoint_with_missing_tensors_names_the_first(tmp_path: Path) -> None:
    torch.manual_seed(0)
    smaller = build_model("mobilenetv2_100", 2)
    del smaller.decoder.reduce
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, smaller, INFO)
    with pytest.raises(CheckpointError, match=r"lacks \d+ tensors \(first: decoder\.reduce\.0"):
        load_checkpoint(path).build()


def test_checkpoint_with_other_class_count_is_refused(
    tmp_path: Path, model: torch.nn.Module
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, dataclasses.replace(INFO, classes=INFO.classes[:1]))
    with pytest.raises(CheckpointError, match=r"classifier\.weight as \(2, 256, 1, 1\)"):
        load_checkpoint(path).build()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("half", [False, True])
def test_checkpoint_with_a_weight_that_is_no_number_names_its_tensor(
    tmp_path: Path, value: float, half: bool
) -> None:
    torch.manual_seed(0)
    broken = build_model("mobilenetv2_100", 2)
    with torch.no_grad():
        broken.decoder.reduce[0].weight[3, 1] = value
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, broken, INFO, half=half)
    with pytest.raises(
        CheckpointError, match=r"a\.safetensors holds 1 .* decoder\.reduce\.0\.weight"
    ):
        load_checkpoint(path)


def test_checkpoint_with_two_classes_of_one_name_is_refused(
    tmp_path: Path, model: torch.nn.Module
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, dataclasses.replace(INFO, classes=INFO.classes[:1] * 2))
    with pytest.raises(CheckpointError, match="2 classes have the name 'sky'"):
        load_checkpoint(path)


def test_checkpoint_pickle_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="allow_pickle"):
        load_checkpoint(path)


def test_write_atomically_failure_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def fail() -> None:
        with replace_when_complete(path) as temporary:
            temporary.write_text("half of the new")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.txt cannot be written \(No space left on device\)"):
        fail()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomically_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.txt"
    write_atomically(path, "one")
    write_atomically(path, b"two")
    assert path.read_text() == "two"


def test_replace_when_complete_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "package"
    for text in ("one", "two"):
        with replace_when_complete(path) as temporary:
            temporary.mkdir()
            (temporary / "file").write_text(text)
    assert (path / "file").read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def document_of(info: CheckpointInfo) -> dict[str, Any]:
    """The metadata of a checkpoint."""
    return {"format": FORMAT, **dataclasses.asdict(info)}


def earlier_document(model: object, arguments: object) -> dict[str, Any]:
    """The metadata of a checkpoint of the format before specs."""
    document = document_of(INFO) | {"format": "edge-deeplab-checkpoint/1"}
    del document["spec"]
    return document | {"model": model, "arguments": arguments}


def write_spoiled(path: Path, network: torch.nn.Module, **changes: Any) -> None:
    """Write a checkpoint whose metadata is changed; of the earlier format where that alone has what is changed."""
    is_earlier = not changes.keys().isdisjoint({"model", "arguments"})
    document = earlier_document(INFO.model, {}) if is_earlier else document_of(INFO)
    save_file(network.state_dict(), path, metadata={METADATA_KEY: json.dumps(document | changes)})


@pytest.mark.parametrize(
    ("model", "arguments", "spec"),
    [
        ("deeplabv3plus_mobilenetv2_100", {}, INFO.spec),
        ("mobilenetv2_100", {"output_stride": 8}, INFO.spec.at_stride(8)),
        ("mobilenetv2_100", {"separable": False}, INFO.spec.with_options({"separable": False})),
    ],
)
def test_checkpoint_of_the_earlier_format_opens(
    model: str, arguments: dict[str, Any], spec: ModelSpec, tmp_path: Path
) -> None:
    network = build_model(spec, 2).eval()
    document = json.dumps(earlier_document(model, arguments))
    save_file(network.state_dict(), tmp_path / "a.safetensors", metadata={METADATA_KEY: document})
    checkpoint = load_checkpoint(tmp_path / "a.safetensors")
    assert checkpoint.info == dataclasses.replace(INFO, spec=spec)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(checkpoint.build()(images), network(images))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ["a"]},
        {"model": "resnet9000"},
        {"arguments": {"output_stride": "8"}},
        {"arguments": {"output_stride": 7}},
        {"arguments": {"separable": "yes"}},
        {"arguments": {"pretrained": True}},
        {"arguments": [16]},
        {"spec": None},
        {"spec": {"factory": "os.system"}},
        {"spec": {"factory": "operator_graph", "operators": [], "code": "x"}},
        {"spec": "deeplabv3plus_mobilenetv2_100"},
        {"spec": {"factory": "deeplab", "name": "a", "backbone": "os.system", "aspp": {}}},
        {"spec": {"factory": "deeplab", "name": "a", "backbone": "vgg16"}},
        {
            "spec": {
                "factory": "deeplab",
                "name": "a",
                "backbone": "vgg16",
                "aspp": {"channels": 10**9},
            }
        },
        {"classes": [1]},
        {"size_hw": {}},
        {"ignore_index": -1},
        {"normalisation": None},
        {"normalisation": {"mean": [0, 0, 0], "std": [0, 0, 0]}},
        {"quantization": []},
        {"quantization": {}},
        {"quantization": {"activations": [{"tensors": ["image"]}], "keep_float": []}},
        {"quantization": {"activations": [], "keep_float": 3}},
        {
            "quantization": {
                "activations": [{"tensors": ["image"], "scale": 0.0, "zero_point": 0}],
                "keep_float": [],
            }
        },
        {
            "quantization": {
                "activations": [{"tensors": ["image"], "scale": 1.0, "zero_point": 999}],
                "keep_float": [],
            }
        },
        {"pruning": "half"},
        {"provenance": 1},
        {"surprise": 1},
    ],
    ids=str,
)
def test_checkpoint_with_metadata_of_no_meaning_is_one_sentence(
    changes: dict[str, Any], tmp_path: Path, model: torch.nn.Module
) -> None:
    path = tmp_path / "a.safetensors"
    write_spoiled(path, model, **changes)
    with pytest.raises(CheckpointError, match=r"a\.safetensors .*cannot be read"):
        load_checkpoint(path)


@pytest.mark.parametrize("text", ["[]", "null", "[" * 100_000, "{"])
def test_checkpoint_with_another_document_is_one_sentence(text: str, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={METADATA_KEY: text})
    with pytest.raises(CheckpointError, match=r"the metadata of .* cannot be read"):
        load_checkpoint(tmp_path / "a.safetensors")
