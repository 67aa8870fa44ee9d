"""Which files ARTIFACT arguments mean, and that a manifest means none outside its folder."""

import json
from pathlib import Path

import pytest

from edge_deeplab.config import CompressRecipe, Recipe
from edge_deeplab.data.dataset import open_dataset
from edge_deeplab.errors import ConfigError, DataError, OutputError
from edge_deeplab.formats.artifacts import expand_artifacts
from edge_deeplab.formats.manifest import FORMAT, read_manifest


def write_manifest(folder: Path, *names: object) -> None:
    folder.mkdir()
    document = {"format": FORMAT, "artifacts": [{"file": name} for name in names]}
    (folder / "manifest.json").write_text(json.dumps(document))


def test_folder_means_the_files_that_its_manifest_lists(tmp_path: Path) -> None:
    write_manifest(tmp_path / "exports", "a.onnx", "b.mlpackage")
    wanted = [tmp_path / "exports" / "a.onnx", tmp_path / "exports" / "b.mlpackage"]
    assert expand_artifacts([tmp_path / "exports"]) == wanted


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.onnx", "link.onnx", "", 3, None])
def test_manifest_that_names_a_file_elsewhere_is_refused(name: object, tmp_path: Path) -> None:
    (tmp_path / "secret.onnx").write_text("secret")
    write_manifest(tmp_path / "exports", name)
    (tmp_path / "exports" / "link.onnx").symlink_to("../secret.onnx")
    with pytest.raises(ConfigError, match="does not list exported files"):
        expand_artifacts([tmp_path / "exports"])
    with pytest.raises(OutputError, match="is not a manifest of this project"):
        read_manifest(tmp_path / "exports")


@pytest.mark.parametrize("split", ["../other", "/data", "a/../../b"])
def test_recipe_that_names_a_split_outside_the_data_folder_is_refused(split: str) -> None:
    for data in ({"splits": [split]}, {"validation_split": split}):
        with pytest.raises(ValueError, match="leads out of it"):
            Recipe.model_validate({"data": data})
    with pytest.raises(ValueError, match="leads out of it"):
        CompressRecipe.model_validate({"parity": {"split": split}})


@pytest.mark.parametrize("stem", ["../../secret", "/secret"])
def test_voc_list_that_names_an_image_elsewhere_is_refused(stem: str, tmp_path: Path) -> None:
    lists = tmp_path / "VOC2012" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (tmp_path / "VOC2012" / "JPEGImages").mkdir()
    (tmp_path / "secret.jpg").write_text("secret")
    (lists / "val.txt").write_text(f"{stem}\n")
    with pytest.raises(DataError, match="leads elsewhere"):
        open_dataset(tmp_path / "VOC2012", "val")
