"""Which checkpoint artifacts are held against."""

from pathlib import Path

import pytest

from edge_deeplab.errors import CheckpointError, ConfigError
from edge_deeplab.evaluation import reference
from edge_deeplab.evaluation.reference import file_sha256, find_reference
from tests.progress import Heard


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Ship one checkpoint, named as the default."""
    path = tmp_path / "weights" / "camvid-efficientnet-lite0.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"shipped")
    monkeypatch.setattr(reference, "shipped_checkpoints", lambda: {path.stem: path})
    monkeypatch.setattr(
        "edge_deeplab.models.shipped.shipped_checkpoints", lambda: {path.stem: path}
    )
    return path


@pytest.fixture
def exported(tmp_path, description):
    """Describe an artifact that was exported from a file of a name, whose content had this hash."""

    def make(checkpoint: str, source: Path, name: str = "a.onnx"):
        return {
            tmp_path / "exports" / name: description(
                checkpoint=checkpoint, sha256=file_sha256(source)
            )
        }

    return make


@pytest.fixture
def own(tmp_path):
    """Put a checkpoint beside the artifact."""
    path = tmp_path / "exports" / "best.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"own")
    return path


def test_reference_without_descriptions_is_the_shipped_one(shipped):
    assert find_reference(None, {}) == shipped


def test_reference_named_by_the_artifact_is_found_among_the_shipped(shipped, exported):
    assert find_reference(None, exported(shipped.stem, shipped)) == shipped


def test_reference_named_by_the_artifact_is_found_beside_it(shipped, own, exported):
    assert find_reference(None, exported("best", own)) == own
    assert find_reference(None, exported("best.safetensors", own)) == own


@pytest.mark.parametrize("place", [".", "exports"])
def test_reference_is_found_in_the_run_that_the_artifact_lies_in(
    shipped, tmp_path, exported, place
):
    best = tmp_path / "best.safetensors"
    best.write_bytes(b"own")
    ((_, said),) = exported(tmp_path.name, best).items()
    assert find_reference(None, {tmp_path / place / "a.onnx": said}) == best


def test_reference_of_the_same_name_with_another_hash_is_refused(shipped, own, exported):
    with pytest.raises(
        CheckpointError, match=r"sha256 .* but .*camvid-.* has .*; .*name a reference"
    ):
        find_reference(None, exported(shipped.stem, own))


def test_reference_that_is_nowhere_is_asked_for(shipped, own, exported):
    with pytest.raises(CheckpointError, match=r"'lost', which is neither shipped nor beside"):
        find_reference(None, exported("lost", own))


def test_reference_of_artifacts_from_two_checkpoints_must_be_named(shipped, own, exported):
    both = {**exported("best", own), **exported(shipped.stem, shipped, "b.onnx")}
    with pytest.raises(ConfigError, match=r"2 checkpoints: best .*, camvid-.*name a reference"):
        find_reference(None, both)


def test_reference_that_was_asked_for_wins_and_a_different_origin_is_said(shipped, own, exported):
    heard = Heard()
    assert find_reference(str(own), exported(shipped.stem, shipped), heard) == own
    (note,) = heard.notes
    assert "was exported from checkpoint camvid-efficientnet-lite0" in note


def test_reference_that_was_asked_for_and_fits_is_taken_without_a_word(shipped, own, exported):
    heard = Heard()
    assert find_reference(str(own), exported("best", own), heard) == own
    assert heard.notes == []


def test_reference_that_does_not_exist_is_reported(shipped):
    with pytest.raises(CheckpointError, match="neither a file nor a shipped name"):
        find_reference("nothing.safetensors", {})


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../secret", "link", "..", "sub/secret", "x" * 255]
)
def test_reference_is_never_what_a_file_says_lies_elsewhere(
    shipped, own, exported, monkeypatch, name
):
    secret = own.parent.parent / "secret"
    secret.write_bytes(b"secret")
    (own.parent / "sub").mkdir()
    (own.parent / "sub" / "secret").write_bytes(b"secret")
    (own.parent / "link").symlink_to(secret)
    hashed = []
    monkeypatch.setattr(reference, "file_sha256", lambda path: hashed.append(path) or "0" * 64)
    with pytest.raises(CheckpointError, match="neither shipped nor beside the artifact"):
        find_reference(None, exported(name, secret))
    assert hashed == []
