"""JSON and TOML from strangers: what is refused, and that it is refused in one way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_deeplab.config import Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.data.label_map import read_label_map
from edge_deeplab.description import parse_description
from edge_deeplab.documents import LARGEST_BYTES, Fields, parse_json, parse_toml, read_json
from edge_deeplab.errors import ConfigError, EdgeDeepLabError
from edge_deeplab.evaluation.class_map import read_class_map
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.manifest import read_manifest
from edge_deeplab.quantization.pruning.latency import read_table
from edge_deeplab.recipes import load_recipe_as

DEEP = 100_000
DEEP_JSON = "[" * DEEP + "]" * DEEP
DEEP_TOML = "a = " + DEEP_JSON
DOTTED_TOML = ".".join("a" * 2000) + " = 1"


@pytest.mark.parametrize("text", [DEEP_JSON, '{"a":' * 70 + "1" + "}" * 70, "{", "\ud800", b"\xff"])
def test_json_that_cannot_be_used_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


@pytest.mark.parametrize("text", [DEEP_TOML, DOTTED_TOML, "a = [", "a"])
def test_toml_that_cannot_be_used_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_toml(text)


def test_document_is_refused_at_its_largest_size(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 16 MiB"):
        read_json(tmp_path / "large.json")
    assert LARGEST_BYTES == 16 << 20


def test_document_of_sixty_levels_is_read() -> None:
    assert parse_json("[" * 60 + "]" * 60)
    assert parse_toml("a = " + "[" * 60 + "]" * 60)["a"]


READERS: dict[str, Callable[[Path], Any]] = {
    "manifest.json": lambda path: expand_artifacts([path.parent]),
    "manifest": lambda path: read_manifest(path.rename(path.with_name("manifest.json")).parent),
    "dataset.toml": lambda path: open_dataset(path.parent, "test"),
    "recipe.toml": lambda path: load_recipe_as(Recipe, path),
    "map.toml": read_class_map,
    "labels.toml": read_label_map,
    "latency.json": read_table,
    "description": lambda path: parse_description(path.read_text(), path="a.onnx"),
}


@pytest.mark.parametrize(
    "text", [DEEP_JSON, DEEP_TOML, "[]", "1", "null", "", "a = 1", '{"a": []}']
)
@pytest.mark.parametrize("name", READERS)
def test_reader_of_another_document_raises_one_sentence(
    name: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    if (name, text) == ("recipe.toml", ""):
        assert READERS[name](path) == Recipe(), "an empty recipe is the default one"
        return
    with pytest.raises(EdgeDeepLabError) as caught:
        READERS[name](path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("ask", "value"),
    [
        (lambda f: f.text("a"), 1),
        (lambda f: f.text("a"), ""),
        (lambda f: f.text("a"), "a\x1b"),
        (lambda f: f.text("a"), "a" * 256),
        (lambda f: f.prose("a"), None),
        (lambda f: f.choice("a", [1]), True),
        (lambda f: f.choice("a", ["b"]), []),
        (lambda f: f.integer("a", 0, 9), 10),
        (lambda f: f.integer("a", 0, 9), True),
        (lambda f: f.integers("a", 2, 0, 9), [1]),
        (lambda f: f.integers("a", 2, 0, 9), [1, 1.0]),
        (lambda f: f.integers("a", 2, 0, 9), "12"),
        (lambda f: f.number("a"), float("nan")),
        (lambda f: f.numbers("a", 1), [float("inf")]),
        (lambda f: f.numbers("a", 1), {"0": 1}),
        (lambda f: f.texts("a"), "abc"),
        (lambda f: f.table("a"), []),
        (lambda f: f.fields("a"), 3),
        (lambda f: f.every("a", 1, 2), []),
        (lambda f: f.every("a", 1, 2), [1]),
        (lambda f: f.only(["b"]), 1),
        (lambda f: f.get("b"), 1),
    ],
)
def test_field_of_another_kind_is_named(ask: Callable[[Fields], Any], value: Any) -> None:
    with pytest.raises(ValueError, match=r"\b[ab]\b") as caught:
        ask(Fields({"a": value}))
    assert len(str(caught.value)) < 200


DESCRIPTION: dict[str, Any] = {
    "format": "edge-deeplab/1",
    "model": "deeplabv3plus_mobilenetv2_100",
    "checkpoint": "street",
    "checkpoint_sha256": "0" * 64,
    "target": "onnx",
    "precision": "fp32",
    "head": "classes",
    "size_hw": [32, 48],
    "classes": [{"name": "road", "color": [1, 2, 3]}],
    "ignore_index": 255,
    "normalisation": {"mean": [0, 0, 0], "std": [255.0, 255.0, 255.0]},
    "licence": "CC0",
    "provenance": {},
}
ROAD = DESCRIPTION["classes"][0]
SPOILED = [
    ("format", "edge-deeplab/2"),
    ("model", None),
    ("checkpoint", "/etc/hostname"),
    ("checkpoint", "../../etc/passwd"),
    ("checkpoint", ".."),
    ("checkpoint", ["a"]),
    ("head", "mask"),
    ("head", []),
    ("size_hw", [32]),
    ("size_hw", [32, 48, 3]),
    ("size_hw", [0, 48]),
    ("size_hw", ["32", 48]),
    ("size_hw", [32, 1 << 40]),
    ("classes", []),
    ("classes", [ROAD] * 256),
    ("classes", {"0": ROAD}),
    ("classes", [{"name": "road"}]),
    ("classes", [{"name": "ro\x1b]0;ad", "color": [1, 2, 3]}]),
    ("classes", [{"name": "road", "color": [1, 2]}]),
    ("classes", [{"name": "road", "color": [1, 2, 256]}]),
    ("classes", [{"name": "road", "color": "red"}]),
    ("ignore_index", 256),
    ("ignore_index", "none"),
    ("normalisation", [0, 1]),
    ("normalisation", {"mean": [0, 0, 0], "std": [1, 0, 1]}),
    ("normalisation", {"mean": [0, 0, float("nan")], "std": [1, 1, 1]}),
    ("normalisation", {"mean": [0, 0], "std": [1, 1, 1]}),
    ("licence", 3),
    ("provenance", "here"),
    ("unknown", 1),
]


@pytest.mark.parametrize(("key", "value"), SPOILED)
def test_description_with_a_field_of_no_meaning_is_one_sentence(key: str, value: Any) -> None:
    text = json.dumps({**DESCRIPTION, key: value})
    with pytest.raises(EdgeDeepLabError, match=r"a\.onnx carries a self-description that cannot"):
        parse_description(text, path="a.onnx")


@pytest.mark.parametrize("key", DESCRIPTION)
def test_description_without_a_field_says_which(key: str) -> None:
    text = json.dumps({k: v for k, v in DESCRIPTION.items() if k != key})
    if key == "ignore_index":
        assert parse_description(text, path="a.onnx").ignore_index is None, "a data set has none"
        return
    with pytest.raises(EdgeDeepLabError, match=f"{key} is missing"):
        parse_description(text, path="a.onnx")


def test_description_round_trip_is_the_same() -> None:
    description = parse_description(json.dumps(DESCRIPTION), path="a.onnx")
    assert parse_description(description.to_json(), path="a.onnx") == description


@pytest.mark.parametrize("section", ["3", "[[[]]]", '"text"'])
def test_section_that_is_no_table_is_a_sentence_also_beside_options(
    section: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"optimiser = {section}\n")
    with pytest.raises(ConfigError, match="optimiser came as"):
        load_recipe_as(Recipe, path, optimiser={"epochs": 1})
