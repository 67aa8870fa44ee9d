"""Packages whose files are not what their manifest and program say: refused by `check` and by the evaluator alike."""

import json
import shutil
import struct
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edge_deeplab.cli.check import check
from edge_deeplab.errors import ArtifactError
from edge_deeplab.formats.coreml import read_coreml

MODEL = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def read_for_the_evaluator(path):
    from edge_deeplab.runtimes.mil.reader import read_package

    return read_package(path)


@pytest.fixture(params=[read_coreml, read_for_the_evaluator], ids=["check", "evaluator"])
def read(request):
    """Each of the two readers of packages."""
    return request.param


@pytest.fixture
def sound_path(tiny, tmp_path):
    """A depthwise convolution with all that the evaluator asks of a program."""
    builder = tiny.ProgramBuilder()
    image = builder.function.inputs.add(name="image")
    builder.type_of(image.type, "FLOAT32", (1, 8, 16, 16))
    builder.conv("conv", "image", (1, 8, 16, 18), rate=6, dtype="FLOAT32")
    builder.block.outputs.append("conv")
    builder.model.description.output.add(name="conv").type.multiArrayType.SetInParent()
    return builder.save(tmp_path / "sound.mlpackage")


def point_manifest_at(package: Path, key: str, place: str) -> None:
    manifest = package / "Manifest.json"
    document = json.loads(manifest.read_text())
    document["itemInfoEntries"][key]["path"] = place
    manifest.write_text(json.dumps(document))


@pytest.fixture
def outside(mlpackage_path, tmp_path):
    """A sound model and its weights, beside the package."""
    shutil.copytree(mlpackage_path / "Data" / "com.apple.CoreML", tmp_path / "outside")
    return tmp_path / "outside"


def test_read_sound_package_is_read_by_both(sound_path, read):
    assert read(sound_path)


@pytest.mark.parametrize(("key", "name"), [("root", "model.mlmodel"), ("weights", "weights")])
@pytest.mark.parametrize("absolute", [True, False])
def test_read_manifest_that_leads_out_of_the_package_is_refused(
    mlpackage_path, outside, read, key, name, absolute
):
    place = str(outside / name) if absolute else f"../../outside/{name}"
    point_manifest_at(mlpackage_path, key, place)
    with pytest.raises(ArtifactError, match=r"names .*outside the package"):
        read(mlpackage_path)


@pytest.mark.parametrize("part", [MODEL, WEIGHTS, str(Path(WEIGHTS).parent), "Manifest.json"])
def test_read_link_that_leads_out_of_the_package_is_refused(mlpackage_path, tmp_path, read, part):
    linked = mlpackage_path / part
    linked.rename(tmp_path / "moved")
    linked.symlink_to(tmp_path / "moved")
    with pytest.raises(ArtifactError, match=f"holds the link {part}, which leads outside"):
        read(mlpackage_path)


def test_read_link_to_itself_is_refused(mlpackage_path, read):
    (mlpackage_path / "loop").symlink_to("loop")
    with pytest.raises(ArtifactError, match="holds the link loop"):
        read(mlpackage_path)


def test_read_link_inside_the_package_is_followed(sound_path, read):
    weights = sound_path / WEIGHTS
    weights.rename(weights.with_name("kept.bin"))
    weights.symlink_to("kept.bin")
    assert read(sound_path)


def test_read_package_that_was_named_by_a_link_is_read(sound_path, tmp_path, read):
    (tmp_path / "named.mlpackage").symlink_to(sound_path)
    assert read(tmp_path / "named.mlpackage")


def test_core_ml_engine_manifest_that_leads_out_of_the_package_is_refused(
    mlpackage_path, outside, monkeypatch
):
    from edge_deeplab.runtimes import coreml

    monkeypatch.setattr(coreml, "core_ml_runs_here", lambda: True)
    monkeypatch.setitem(sys.modules, "coremltools", None)
    point_manifest_at(mlpackage_path, "root", str(outside / "model.mlmodel"))
    with pytest.raises(ArtifactError, match="outside the package"):
        coreml.CoreMLEngine(mlpackage_path)


def test_read_without_its_weight_file_is_refused(mlpackage_path, read):
    (mlpackage_path / WEIGHTS).unlink()
    with pytest.raises(ArtifactError, match=r"@model_path/weights/weight\.bin is missing"):
        read(mlpackage_path)


@pytest.mark.parametrize("kept", [0, 4, 63, 64, 100, 127, 128, 271])
def test_read_weight_file_cut_short_is_refused(mlpackage_path, read, kept):
    weights = mlpackage_path / WEIGHTS
    content = weights.read_bytes()
    assert struct.unpack_from("<IIQQ", content, 64) == (0xDEADBEEF, 1, 144, 128)
    weights.write_bytes(content[:kept])
    with pytest.raises(ArtifactError, match=r"weight\.bin (ends after|is no weight file)"):
        read(mlpackage_path)


def test_read_weight_file_without_the_padding_after_its_last_weight_is_read(sound_path, read):
    weights = sound_path / WEIGHTS
    weights.write_bytes(weights.read_bytes()[: 128 + 8 * 9 * 4])
    assert read(sound_path)


@pytest.mark.parametrize(
    ("place", "number", "told"),
    [
        ("<I", (4, 1), "no weight file of version 2"),
        ("<I", (64, 7), "no weight at byte 64"),
        ("<I", (68, 2), "144 bytes of type 2"),
        ("<Q", (72, 143), "143 bytes of type 1"),
        ("<Q", (72, 2**64 - 1), "bytes of type 1"),
        ("<Q", (80, 2**63), "ends after"),
    ],
)
def test_read_weight_that_is_not_what_the_program_declares_is_refused(
    mlpackage_path, read, place, number, told
):
    weights = mlpackage_path / WEIGHTS
    content = bytearray(weights.read_bytes())
    struct.pack_into(place, content, *number)
    weights.write_bytes(content)
    with pytest.raises(ArtifactError, match=told):
        read(mlpackage_path)


@pytest.mark.parametrize(
    "name",
    ["/etc/hostname", "@model_path/../../../secret", "weights/weight.bin", "", "@model_path"],
)
def test_read_weight_file_by_another_name_is_refused(tiny, tmp_path, read, name):
    builder = tiny.ProgramBuilder()
    builder.conv("conv", "image", (1, 8, 16, 16), rate=1)
    for operation in builder.block.operations:
        if operation.attributes["val"].WhichOneof("value") == "blobFileValue":
            operation.attributes["val"].blobFileValue.fileName = name
    with pytest.raises(ArtifactError, match="is no file of the package"):
        read(builder.save(tmp_path / "odd.mlpackage"))


def test_read_mil_weight_in_a_nested_block_is_checked_too(tiny, tmp_path):
    builder = tiny.ProgramBuilder()
    builder.add("cond", "picked", "FLOAT16", (1, 2), pred="flag")
    inner = builder.block.operations[-1].blocks.add().operations.add(type="const")
    value = inner.attributes["val"]
    builder.type_of(value.type, "FLOAT16", (4,))
    value.blobFileValue.fileName = "@model_path/weights/weight.bin"
    value.blobFileValue.offset = 4096
    with pytest.raises(ArtifactError, match="ends after 64 bytes"):
        read_coreml(builder.save(tmp_path / "nested.mlpackage"))


def test_check_package_without_its_weights_ends_with_code_1_and_one_sentence(mlpackage_path):
    (mlpackage_path / WEIGHTS).write_bytes((mlpackage_path / WEIGHTS).read_bytes()[:200])
    app = typer.Typer()
    app.command()(check)
    result = CliRunner().invoke(app, [str(mlpackage_path)])
    assert result.exit_code == 1
    assert "weight.bin ends after 200 bytes" in result.stderr
    assert result.stderr.count("\n") == 1
