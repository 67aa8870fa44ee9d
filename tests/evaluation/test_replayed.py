"""Rows of parity that devices made: a replay is scored like a file, and what it does wrong is refused by name."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_deeplab.evaluation.parity import measure_parity, open_trials
from edge_deeplab.evaluation.replay_trial import open_replays
from edge_deeplab.evaluation.replayed import NoClass
from edge_deeplab.progress import SILENT

REFERENCE = Path("reference.safetensors")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the model")
    return path


@pytest.fixture
def masks(tmp_path, dataset, model):
    """A replay of the data set that is right everywhere."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for index in range(len(dataset)):
        Image.fromarray(dataset[index].image_hwc[..., 0]).save(folder / f"image-{index}.png")
    names = [f"image-{index}.png" for index in range(len(dataset))]
    document = {
        "device": "Phone 1",
        "os": "System 2",
        "runtime": "LiteRT",
        "version": "2.3",
        "accelerator": {"asked": "gpu", "got": "cpu"},
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "size_hw": [8, 8],
        "images": [
            {"file": n, "sha256": "", "ms": {"prepare": 1.0, "infer": 20, "draw": None}}
            for n in names
        ],
    }
    write(folder, document)
    return folder


def write(folder, document):
    """Write the document, with the hashes that the files have."""
    for image in document["images"]:
        path = folder / image["file"]
        if path.is_file() and path.parent == folder:
            image["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "replay.json").write_text(json.dumps(document))


def change(folder, **changes):
    document = json.loads((folder / "replay.json").read_text())
    write(folder, {**document, **changes})


def redraw(folder, draw, mode=None):
    """Draw the first class map anew."""
    path = folder / "image-0.png"
    ids = np.array(Image.open(path))
    picture = Image.fromarray(np.asarray(draw(ids)))
    (picture.convert(mode) if mode else picture).save(path)
    change(folder)


def measure(masks, dataset, runtime, *, file=None, here=None, class_map=None):
    def open_file(path, *, size_hw=None):
        return here or runtime(str(path), size_hw=size_hw or (8, 8))

    files = open_trials([] if file is None else [file], open_file, dataset, class_map)
    replays = open_replays([masks], files, dataset, class_map, SILENT)
    trials = [*files, *replays]

    def open_reference(size_hw):
        return runtime("reference.safetensors", size_hw=size_hw)

    return measure_parity(trials, REFERENCE, open_reference, dataset).artifacts[-1]


def test_replay_that_is_right_is_a_row_with_the_devices_names_and_times(
    masks, dataset, runtime, model
):
    row = measure(masks, dataset, runtime, file=model)
    document = row.to_json()
    assert row.passed, row.error
    assert (row.delta_miou, row.delta_interval, row.pixel_agreement) == (0.0, (0.0, 0.0), 1.0)
    assert (document["runtime"], document["latency_ms"]) == ("LiteRT 2.3", 20.0)
    assert (document["device"], document["os"]) == ("Phone 1", "System 2")
    assert document["accelerator"] == {"asked": "gpu", "got": "cpu"}
    assert (document["runtime_agreement"], document["same_file"]) == (1.0, str(model))
    assert (document["target"], document["precision"]) == ("onnx", "fp32")
    assert document["no_class"] == {"pixels": 0, "ids": {}, "padded_to": None}


def test_replay_is_compared_with_the_same_file_here_not_with_the_reference(
    masks, dataset, runtime, model
):
    here = runtime(str(model), wrong_rows=2)
    row = measure(masks, dataset, runtime, file=model, here=here)
    assert row.pixel_agreement == 1.0
    assert row.replay.runtime_agreement == pytest.approx(6 / 8)


def test_replay_whose_file_fails_here_midway_is_scored_and_not_compared(
    masks, dataset, runtime, model
):
    row = measure(masks, dataset, runtime, file=model, here=runtime(str(model), fails_at=3))
    assert row.passed
    assert row.to_json()["runtime_agreement"] is None


def test_replay_without_the_file_takes_its_own_class_names_in_any_order(masks, dataset, runtime):
    assert "does not tell what its ids mean" in measure(masks, dataset, runtime).error
    change(masks, classes=["road", "sky", "car"])
    swapped = measure(masks, dataset, runtime)
    assert swapped.miou < 40
    assert swapped.to_json()["runtime_agreement"] is None
    change(masks, classes=["sky", "road", "car"])
    assert measure(masks, dataset, runtime).miou == 100.0
    change(masks, classes=["sky", "road", "tram"])
    assert "unknown class in the class map 'tram'" in measure(masks, dataset, runtime).error


def test_ids_are_not_counted_where_a_class_map_alone_says_what_they_mean(masks, dataset, runtime):
    names = {0: "sky", 1: "road", 2: "car"}
    row = measure(masks, dataset, runtime, class_map=names)
    assert row.miou == 100.0
    assert row.to_json()["no_class"] is None


def test_replay_of_a_padded_argmax_is_named_and_counts_as_wrong(masks, dataset, runtime, model):
    redraw(masks, lambda ids: np.where(ids == 0, 3, ids).astype(np.uint8))
    row = measure(masks, dataset, runtime, file=model)
    lost = row.to_json()["no_class"]
    assert lost["ids"].keys() == {"3"}
    assert lost["pixels"] == lost["ids"]["3"] > 0
    assert lost["padded_to"] == 4
    assert "a padded argmax, taken over the 4 channels that 3 are padded to" in (
        row.replay.no_class.reason
    )
    assert row.miou < 100


@pytest.mark.parametrize(
    ("classes", "largest", "padded"),
    [(11, 11, 12), (11, 13, 16), (11, 31, 32), (11, 32, None), (12, 15, 16), (3, 255, None)],
)
def test_ids_of_no_class_are_a_padded_argmax_within_the_next_multiple(classes, largest, padded):
    assert NoClass(classes, {largest: 1}).padded_to == padded


def test_ids_that_count_from_one_are_no_padded_argmax(masks, dataset, runtime, model):
    for image in json.loads((masks / "replay.json").read_text())["images"]:
        path = masks / image["file"]
        Image.fromarray(np.asarray(Image.open(path)) + np.uint8(1)).save(path)
    change(masks)
    row = measure(masks, dataset, runtime, file=model)
    assert row.to_json()["no_class"]["padded_to"] is None
    assert "none of id 0: ids that count from 1" in row.replay.no_class.reason
    assert row.suspicion.said == "ids were one too high"
    assert row.suspicion.explained == 1.0


def _sixteen_bits(ids):
    return ids.astype(np.uint16)


@pytest.mark.parametrize(
    ("draw", "mode", "sentence"),
    [
        (lambda ids: ids, "RGB", "is a PNG of mode RGB; 8-bit grey"),
        (lambda ids: ids, "P", "is a PNG of mode P; 8-bit grey"),
        (lambda ids: ids, "1", "is a PNG of grey of fewer than 8 bits"),
        (_sixteen_bits, None, "is a PNG of mode I;16; 8-bit grey"),
        (lambda ids: ids[::2], None, "image-0.png is 4x8; 8x8 was expected"),
        (lambda ids: np.kron(ids, np.ones((2, 2), np.uint8)), None, "is 16x16; 8x8 was expected"),
    ],
)
def test_class_map_of_another_kind_is_refused(draw, mode, sentence, masks, dataset, runtime, model):
    redraw(masks, draw, mode)
    row = measure(masks, dataset, runtime, file=model)
    assert not row.passed
    assert sentence in row.error


def test_class_map_that_changed_on_the_way_is_refused(masks, dataset, runtime, model):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(masks / "image-3.png")
    row = measure(masks, dataset, runtime, file=model)
    assert "image-3.png has sha256" in row.error
    assert "copy the whole folder again" in row.error
    (masks / "image-3.png").write_bytes(bytes(1 << 20))
    assert "which no class map needs" in measure(masks, dataset, runtime, file=model).error
    (masks / "image-3.png").unlink()
    assert "image-3.png cannot be read" in measure(masks, dataset, runtime, file=model).error


def test_replay_of_another_model_is_refused_with_both_hashes(masks, dataset, runtime, model):
    model.write_bytes(b"another model")
    row = measure(masks, dataset, runtime, file=model)
    own, other = (
        hashlib.sha256(text).hexdigest()[:12] for text in (b"the model", model.read_bytes())
    )
    assert f"a model of sha256 {own}" in row.error
    assert f"model.onnx {other}" in row.error
    assert row.to_json()["device"] == "Phone 1"


def test_replay_of_another_size_than_the_file_takes_is_refused(masks, dataset, runtime, model):
    here = runtime(str(model), size_hw=(16, 16))
    row = measure(masks, dataset, runtime, file=model, here=here)
    assert "says that its class maps are 8x8" in row.error
    assert "takes 16x16" in row.error


def test_replay_is_compared_with_the_file_at_its_own_size(
    masks, dataset, runtime, model, monkeypatch
):
    monkeypatch.setattr(
        "edge_deeplab.evaluation.parity.sizes_of", lambda path: ((16, 16), (8, 8), (24, 24))
    )
    row = measure(masks, dataset, runtime, file=model)
    assert row.passed, row.error
    assert row.replay.runtime_agreement == 1.0


def test_replay_of_fewer_or_other_photographs_is_refused(masks, dataset, runtime, model):
    images = json.loads((masks / "replay.json").read_text())["images"]
    change(masks, images=images[:4])
    row = measure(masks, dataset, runtime, file=model)
    assert (
        "holds class maps of 4 of the 6 photographs of spelled; image-4 is the first" in row.error
    )
    (masks / "stranger.png").write_bytes((masks / "image-0.png").read_bytes())
    change(masks, images=[*images, {**images[0], "file": "stranger.png"}])
    row = measure(masks, dataset, runtime, file=model)
    assert "1 class maps of photographs that spelled has not; stranger is the first" in row.error


OUT = "images name"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size_hw": [8]}, "size_hw is [8], not 2 whole numbers"),
        ({"size_hw": [65536, 65536]}, "more than 8388608 pixels"),
        ({"size_hw": [8.0, 8]}, "not 2 whole numbers"),
        ({"model_sha256": "abc"}, "model_sha256 is 'abc', not 64 hexadecimal digits"),
        ({"device": ""}, "device is '', not text"),
        ({"device": "a\nb"}, "one line without control characters"),
        ({"accelerator": "gpu"}, "accelerator is no table of fields"),
        ({"images": []}, "images is [], not a list of 1 to"),
        ({"classes": ["sky", "sky"]}, "different names"),
        ({"file": "../image-0.png"}, OUT),
        ({"file": "/etc/passwd"}, OUT),
        ({"file": "folder/image-0.png"}, OUT),
        ({"file": "image-0.jpg"}, OUT),
        ({"file": "image-1.png"}, "images name 'image-1.png' twice"),
        ({"sha256": "Z" * 64}, "not 64 hexadecimal digits"),
        ({"ms": {"infer": -1}}, "ms.infer is -1, not a number from 0"),
        ({"ms": {"infer": 10**400}}, "ms.infer is 1000"),
        ({"ms": {"infer": 1e300}}, "not a number from 0"),
        ({"ms": {}}, "ms.infer is missing"),
    ],
)
def test_account_that_cannot_be_meant_is_refused(changes, sentence, masks, dataset, runtime, model):
    document = json.loads((masks / "replay.json").read_text())
    of_image = {"file", "sha256", "ms"} & changes.keys()
    (document["images"][0] if of_image else document).update(changes)
    (masks / "replay.json").write_text(json.dumps(document))
    row = measure(masks, dataset, runtime, file=model)
    assert "is no account of a replay" in row.error
    assert sentence in row.error
    assert "\n" not in row.error
    assert row.replay is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"device": 1}', "[" * 100_000])
def test_account_that_is_no_document_is_refused(text, masks, dataset, runtime, model):
    (masks / "replay.json").write_text(text)
    assert "is no account of a replay" in measure(masks, dataset, runtime, file=model).error


def test_folder_without_an_account_or_with_links_out_of_it_is_refused(
    masks, dataset, runtime, model, tmp_path
):
    outside = tmp_path / "image-0.png"
    (masks / "image-0.png").rename(outside)
    (masks / "image-0.png").symlink_to(outside)
    assert "leads out of" in measure(masks, dataset, runtime, file=model).error
    (masks / "replay.json").rename(tmp_path / "replay.json")
    (masks / "replay.json").symlink_to(tmp_path / "replay.json")
    assert "leads out of" in measure(masks, dataset, runtime, file=model).error
    (masks / "replay.json").unlink()
    assert "holds no replay.json" in measure(masks, dataset, runtime, file=model).error


def test_replay_of_pictures_that_were_turned_is_named_as_such(masks, dataset, runtime, model):
    for path in masks.glob("*.png"):
        Image.fromarray(np.asarray(Image.open(path))[::-1, ::-1]).save(path)
    change(masks)
    row = measure(masks, dataset, runtime, file=model)
    assert row.suspicion.said == "the picture was turned by 180 degrees"
    assert row.warnings == (f"{masks}: {row.suspicion.sentence()}",)


def test_replay_without_its_file_is_held_against_the_reference(masks, dataset, runtime):
    for path in masks.glob("*.png"):
        Image.fromarray(np.array([2, 0, 1], np.uint8)[np.asarray(Image.open(path))]).save(path)
    change(masks, classes=["sky", "road", "car"])
    row = measure(masks, dataset, runtime)
    assert row.suspicion.said.startswith("the classes were in another order")
